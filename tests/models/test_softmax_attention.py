"""The layer of softmax attention of Huang 2024 against plain loops, and its fast path against the plain one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import says

import iclscope as icl
from iclscope.core.errors import BadRequest
from iclscope.evaluation import evaluate
from iclscope.models import GPT2Transformer, SoftmaxAttention, SoftmaxAttentionConfig, load_model, stack_models
from iclscope.models.words import model_text, task_text
from iclscope.papers.huang2024 import theory as huang2024
from iclscope.tasks import FunctionClass, OrthonormalFeatures, PatternClassification
from iclscope.tasks.examples import InContextExamples
from iclscope.training.losses import mean_loss, squared_loss
from iclscope.training.trial import Trial

TASK = OrthonormalFeatures(K=3, d_X=5, length=6, dominant=0.5)


def with_some_weights(runs: int = 2, d_X: int = 5) -> SoftmaxAttention:
    model = SoftmaxAttention(seeds=runs, d_X=d_X, dtype=torch.float64)
    model.Q.data = torch.randn(runs, d_X, d_X, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return model


def plainly(Q: torch.Tensor, examples: InContextExamples, run: int, prompt: int) -> tuple[torch.Tensor, list[float]]:
    """ŷ and attention of one prompt, an example at a time."""
    assert examples.query_at is not None
    length = int(examples.query_at[run, prompt])
    x, y = examples.inputs[run, prompt], examples.answers[run, prompt]
    weights = [float(torch.exp(x[i] @ Q[run] @ x[length])) for i in range(length)]
    shares = [weight / sum(weights) for weight in weights]
    return sum((share * y[i] for i, share in enumerate(shares)), torch.zeros_like(y[0])), shares


@pytest.mark.parametrize(
    "task", [TASK, FunctionClass(d_X=5, length=4, predictions="query")], ids=["features", "linear"]
)
def test_it_is_the_plain_formula(task: OrthonormalFeatures | FunctionClass) -> None:
    model = with_some_weights()
    prompts = task.sampler((0, 1), dtype=torch.float64).prompts(4, purpose="test")
    with torch.no_grad():
        found = model.predict(prompts)
    for run in range(2):
        for prompt in range(4):
            answer, shares = plainly(model.Q.detach(), prompts.examples(), run, prompt)
            assert float(found.output[run, prompt]) == pytest.approx(float(answer), rel=1e-10)
            assert found.attention[run, prompt].tolist() == pytest.approx([*shares, 0.0], rel=1e-10)
    assert torch.equal(found.hidden[..., 0], found.output)


@given(st.integers(2, 4), st.integers(1, 6), st.sampled_from(["counts", "exact"]), st.sampled_from([None, 1]))
def test_counts_are_read_like_the_examples_they_count(K: int, length: int, expectation: str, query: int | None) -> None:
    task = OrthonormalFeatures(K=K, d_X=5, length=length, expectation=expectation, query_feature=query)
    prompts = task.sampler((0, 1), dtype=torch.float64).prompts(3, purpose="test")
    model = with_some_weights()
    fast, plain = model.predict(prompts), model.of_examples(prompts.written_out())
    assert torch.allclose(fast.output, plain.output, atol=1e-12)
    # Attention on a feature is that on its examples, which stand together, features in order.
    ends = prompts.counts.cumsum(dim=2).long().repeat_interleave(len(prompts.queries), dim=1)
    running = torch.nn.functional.pad(plain.attention.cumsum(dim=2), (1, 0))
    assert torch.allclose(running.gather(2, ends), fast.attention.cumsum(dim=2), atol=1e-12)


def test_its_gradient_is_the_enumeration() -> None:
    """The loop's loss on all prompts, differentiated by torch, against the sum over prompts in numpy."""
    model = with_some_weights()
    sampler = TASK.replace(expectation="exact").sampler((0, 1), dtype=torch.float64)
    prompts = sampler.prompts(1, purpose="test")
    losses = mean_loss(squared_loss(model.predict(prompts).output, prompts.labels), prompts)
    (gradient,) = torch.autograd.grad(losses.sum(), model.Q)
    p = TASK.feature_probabilities
    for run, V in enumerate(sampler.features):
        scores = (V @ model.Q[run].detach() @ V.T).numpy()
        assert float(losses.detach()[run]) == pytest.approx(
            float(np.dot(p, huang2024.population_loss(scores, p, 6))), rel=1e-12
        )
        wanted = V.T.numpy() @ huang2024.population_gradient(scores, p, 6) @ V.numpy()
        assert gradient[run].numpy() == pytest.approx(wanted, abs=1e-14)


def test_training_is_gradient_descent_on_the_scores() -> None:
    """The one loop on exact prompts follows plain descent in numpy, seeds differing in nothing but the basis."""
    eta, steps = 0.5, 20
    task = TASK.replace(expectation="exact")
    start = SoftmaxAttention(seeds=2, d_X=5, dtype=torch.float64)
    trained = icl.train(start, task, optimizer="sgd", learning_rate=eta, steps=steps, batch_size=1).model
    S = np.zeros((3, 3))
    for _ in range(steps):
        S -= eta * huang2024.population_gradient(S, TASK.feature_probabilities, 6)
    for run, V in enumerate(task.sampler((0, 1), dtype=torch.float64).features):
        assert (V @ trained.Q[run].detach() @ V.T).numpy() == pytest.approx(S, rel=1e-10)
        # Nothing is learnt off the features.
        assert torch.allclose(trained.Q[run].detach(), V.T @ torch.from_numpy(S) @ V, atol=1e-12)
    assert float(start.Q.detach().abs().max()) == 0, "the caller's model was changed"


def test_a_learning_rate_that_no_training_survives_is_reported_per_run() -> None:
    start = SoftmaxAttention(seeds=3, d_X=5)
    task = TASK.replace(expectation="counts")
    found = icl.train(start, task, optimizer="sgd", learning_rate=[0.5, 1e39, 0.5], steps=5, batch_size=4)
    assert [step >= 0 for step in found.diverged_at.tolist()] == [False, True, False]
    alone = icl.train(start.run(2), task, optimizer="sgd", learning_rate=0.5, steps=5, batch_size=4)
    assert torch.allclose(alone.model.Q[0], found.model.Q[2], atol=1e-6)


def test_at_its_start_it_averages_the_answers() -> None:
    model = SoftmaxAttention(seeds=2, d_X=5)
    prompts = TASK.sampler((0, 1)).prompts(4, purpose="test")
    assert torch.allclose(model.predict(prompts).output, prompts.answers[..., :-1].mean(dim=2), atol=1e-6)


def test_without_examples_it_says_nothing() -> None:
    prompts = FunctionClass(d_X=5, length=0, predictions="query").sampler((0,)).prompts(3, purpose="test")
    found = SoftmaxAttention(seeds=1, d_X=5).predict(prompts)
    assert found.output.tolist() == [[0.0] * 3]
    assert found.attention.tolist() == [[[0.0]] * 3]


def test_runs_are_copies_and_a_runs_numbers_are_its_own() -> None:
    model = with_some_weights(3)
    model.trained_on = (TASK,) * 3
    prompts = TASK.sampler((0, 1, 2), dtype=torch.float64).prompts(4, purpose="test")
    alone = TASK.sampler((2,), dtype=torch.float64).prompts(4, purpose="test")
    one = model.run(2)
    assert torch.allclose(one.predict(alone).output[0], model.predict(prompts).output[2], atol=1e-14)
    assert (one.seeds, one.trained_on, one.run_count) == ((2,), (TASK,), 1)
    one.Q.data.zero_()
    assert float(model.Q.detach()[2].abs().max()) > 0
    assert float(model.untrained().Q.detach().abs().max()) == 0


def test_a_checkpoint_is_read_back(tmp_path: Path) -> None:
    model = with_some_weights()
    model.trained_on = (TASK, TASK.replace(length=9))
    model.save_pretrained(tmp_path / "one")
    for read in (SoftmaxAttention.from_pretrained(tmp_path / "one"), load_model(tmp_path / "one")):
        assert isinstance(read, SoftmaxAttention)
        assert torch.equal(read.Q, model.Q)
        assert (read.seeds, read.configs, read.trained_on) == (model.seeds, model.configs, model.trained_on)
    with pytest.raises(BadRequest, match="SoftmaxAttention"):
        GPT2Transformer.from_pretrained(tmp_path / "one")


def test_it_is_tested_on_single_prompts() -> None:
    model = SoftmaxAttention(seeds=2, d_X=5)
    errors = evaluate(model, TASK, prompts=4096)
    assert errors.errors.shape == (2, 4096, 1)
    wanted = np.dot(
        TASK.feature_probabilities, huang2024.population_loss(np.zeros((3, 3)), TASK.feature_probabilities, 6)
    )
    assert errors.mean.flatten().tolist() == pytest.approx([float(wanted)] * 2, rel=0.1)
    with pytest.raises(BadRequest, match="expectation: expected sampled"):
        evaluate(model, TASK.replace(expectation="counts"))


def test_other_models_are_sent_to_sampled_prompts() -> None:
    model = GPT2Transformer(d_X=5, d_Y=1, positions=16, embedding=8, layers=1, heads=1)
    task = TASK.replace(expectation="counts")
    with pytest.raises(BadRequest, match="expectation: expected sampled"):
        model.predict(task.sampler((0,)).prompts(2, purpose="test"))
    sampled = TASK.sampler((0,)).prompts(2, purpose="test")
    assert model.predict(sampled).output.shape[:2] == (1, 2)


def test_it_is_described() -> None:
    model = SoftmaxAttention(seeds=2, d_X=5)
    assert model_text(model) == "one layer of softmax attention of dimension 5, 2 runs (seeds 0, 1)"
    assert task_text([TASK]) == "orthonormal features, K = 3, d_X = 5, length = 6, dominant = 0.5"
    assert "d_X=5" in repr(model)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (OrthonormalFeatures(K=3, d_X=4), ("d_X", "4", "5")),
        (FunctionClass(d_X=5), ("predictions", "every")),
        (PatternClassification(M1=3, M2=2, d_X=5), ("d_Y", "30", "1")),
    ],
    ids=["dimension", "every x", "patterns"],
)
def test_tasks_that_it_cannot_read_are_refused(task: icl.tasks.Task, words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        Trial(task=task, model=SoftmaxAttentionConfig(d_X=5), training={"loss": "squared"})
    assert all(says(str(refusal.value), word) for word in words)
    with pytest.raises(BadRequest):
        SoftmaxAttention(d_X=5).check_task(task)


def test_configs_and_seeds_must_agree() -> None:
    configs = [SoftmaxAttentionConfig(d_X=3), SoftmaxAttentionConfig(d_X=4)]
    for call in (
        lambda: stack_models(configs, [0, 1]),
        lambda: SoftmaxAttention(configs=configs[:1], seeds=2),
        lambda: SoftmaxAttention(configs=configs[:1], seeds=1, d_X=3),
        lambda: SoftmaxAttention(seeds=0),
        lambda: SoftmaxAttention(d_X=0),
    ):
        with pytest.raises(BadRequest):
            call()
