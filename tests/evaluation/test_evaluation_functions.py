"""Squared errors on functions against a loop, risks of GPT-2, and prompts without any context."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch

import iclscope as icl
from iclscope.core.errors import BadRequest
from iclscope.evaluation import SquaredErrorResult, answers, errors_by_length, function_prompts, risks_on
from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.models import GPT2Transformer, SoftmaxReLUTransformer
from iclscope.tasks import FunctionClass, PatternClassification
from iclscope.tasks.function_classes import FunctionName

TASK = FunctionClass(d_X=3, length=4, noise=0.3)
PATTERNS = PatternClassification(M1=3, M2=2, d_X=5, d_Y=2, length=4)


def gpt2(seeds: Any = (3, 4), **settings: Any) -> GPT2Transformer:
    sizes = {"d_X": 3, "layers": 1, "heads": 2, "embedding": 8, "positions": 12}
    model = GPT2Transformer(seeds=seeds, dtype=torch.float64, **{**sizes, **settings})
    with torch.no_grad():
        for weight in model.parameters():
            for run, seed in enumerate(model.seeds):
                generator = torch.Generator().manual_seed(seed)
                weight[run] += 0.3 * torch.randn(weight[run].shape, generator=generator, dtype=torch.float64)
    return model


def batch_of(task: FunctionClass, model: GPT2Transformer, prompts: int) -> Any:
    return task.sampler(model.seeds, dtype=torch.float64).prompts(prompts, purpose=EVALUATION_PURPOSE)


@pytest.mark.parametrize("predictions", ["every", "query"])
@pytest.mark.parametrize("settings", [{}, {"y_scale": 3.0}, {"function": "decision_tree", "depth": 2}])
def test_squared_errors_written_out(predictions: Any, settings: dict[str, Any]) -> None:
    """(prediction − f(x))² / E f(x)²; f(x) is without the noise that the context shows."""
    task = TASK.replace(predictions=predictions, **settings)
    model = gpt2()
    found = icl.evaluate(model, task, prompts=5)
    assert isinstance(found, SquaredErrorResult)
    batch = batch_of(task, model, 5)
    output = model.predict(batch).output.detach()
    lengths = (0, 1, 2, 3, 4) if predictions == "every" else (4,)
    assert found.lengths == lengths
    assert found.errors.shape == (2, 5, len(lengths))
    for run in range(2):
        means = [0.0] * len(lengths)
        for prompt in range(5):
            for i, point in enumerate(lengths):
                said = output[run, prompt] if predictions == "query" else output[run, prompt, point]
                error = (float(said) - float(batch.values[run, prompt, point])) ** 2 / task.scale
                assert float(found.errors[run, prompt, i]) == pytest.approx(error, rel=1e-9)
                means[i] += error / 5
        assert found.mean[run].tolist() == pytest.approx(means)
    assert not torch.equal(batch.answers, batch.values)
    assert not found.errors.requires_grad


class Silent(GPT2Transformer):
    """Says 0."""

    def predict(self, prompts: Any, *, inside: bool = False) -> Any:
        prediction = super().predict(prompts, inside=inside)
        return prediction._replace(output=torch.zeros_like(prediction.output))


@pytest.mark.parametrize("function", get_args(FunctionName))
def test_saying_nothing_scores_one(function: FunctionName) -> None:
    task = FunctionClass(function=function, d_X=4, length=2, width=20)
    model = Silent(seeds=[0], dtype=torch.float64, d_X=4, layers=1, heads=1, embedding=4, positions=5)
    found = icl.evaluate(model, task, prompts=4000)
    error = found.errors[0].std(dim=0) / 4000**0.5
    assert bool(((found.mean[0] - 1).abs() < 5 * error + 1e-12).all())


@pytest.mark.parametrize("predictions", ["every", "query"])
def test_parts_of_a_long_evaluation_are_batches_of_their_own(monkeypatch: pytest.MonkeyPatch, predictions: Any) -> None:
    """Each part is drawn as its own step; together they are as many prompts as were asked for, none twice."""
    task, model = TASK.replace(predictions=predictions), gpt2()
    monkeypatch.setattr(answers, "_COLUMNS_AT_ONCE", 16 * task.length * 4)  # four prompts at a time
    found = icl.evaluate(model, task, prompts=10)
    sampler = task.sampler(model.seeds, dtype=torch.float64)
    parts = []
    for start, size in ((0, 4), (4, 4), (8, 2)):
        batch = sampler.prompts(size, purpose=EVALUATION_PURPOSE, step=start)
        errors = (model.predict(batch).output - batch.labels).square() / task.scale
        parts.append(errors.reshape(2, size, -1))
    torch.testing.assert_close(found.errors, torch.cat(parts, dim=1), rtol=0, atol=1e-12)
    assert len(set(found.errors[0, :, -1].tolist())) == 10


@pytest.mark.parametrize("function", get_args(FunctionName))
def test_fewer_prompts_are_the_first_of_more(function: FunctionName) -> None:
    """So that a baseline on some of the prompts answers what the model was asked."""
    task = TASK.replace(function=function, width=5)
    (few,), (many,) = (list(function_prompts(task, [3, 4], prompts, dtype=torch.float64)) for prompts in (3, 7))
    for name in ("inputs", "answers", "values"):
        torch.testing.assert_close(getattr(few, name), getattr(many, name)[:, :3], rtol=0, atol=1e-12)
    model = gpt2()
    asked = icl.evaluate(model, task, prompts=7).errors[:, :3]
    torch.testing.assert_close(asked, icl.evaluate(model, task, prompts=3).errors, rtol=0, atol=1e-10)


def test_a_run_is_evaluated_as_if_alone() -> None:
    together = icl.evaluate(gpt2((3, 4, 5)), TASK, prompts=20)
    for run, seed in enumerate((3, 4, 5)):
        alone = icl.evaluate(gpt2((seed,)), TASK, prompts=20)
        torch.testing.assert_close(alone.errors[0], together.errors[run], rtol=0, atol=1e-12)
    again = icl.evaluate(gpt2((3,)), TASK, prompts=20, seeds=[5])
    assert not torch.equal(again.errors[0], together.errors[0])
    drawn = [list(function_prompts(TASK, seeds, 20)) for seeds in ([5], [3])]
    assert not torch.equal(drawn[0][0].inputs, drawn[1][0].inputs)


@pytest.mark.parametrize("tokens", ["columns", "alternating"])
@pytest.mark.parametrize("length", [4, (1, 4)])
def test_risks_of_gpt2_on_patterns_written_out(tokens: str, length: Any) -> None:
    model = gpt2(d_X=5, d_Y=2, tokens=tokens)
    task = PATTERNS.replace(length=length)
    found = icl.evaluate(model, task, prompts=9)
    prompts = task.sampler(model.seeds, dtype=torch.float64).prompts(9, purpose=EVALUATION_PURPOSE)
    output = model.predict(prompts).output.tolist()
    for run in range(2):
        hinge, wrong = 0.0, 0.0
        for said, z in zip(output[run], prompts.labels[run].tolist(), strict=True):
            hinge += max(0.0, 1 - z * said) / 9
            wrong += (said * z < 0) / 9
        assert float(found.hinge_risk[run]) == pytest.approx(hinge)
        assert float(found.classification_error[run]) == pytest.approx(wrong)
    for one, other in zip(risks_on(model, prompts), found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("context", ["independent", "exact"])
def test_without_any_context_the_one_layer_model_errs_on_half(context: Any) -> None:
    """It attends to nothing, so it says 0, which counts half: exactly, not about, whatever its weights."""
    model = SoftmaxReLUTransformer(seeds=3, d_X=5, d_Y=2, width=30, xi=1.0)
    none = PATTERNS.replace(length=0, context=context).sampler(model.seeds).prompts(77, purpose="test")
    found = risks_on(model, none)
    assert found.classification_error.tolist() == [0.5] * 3
    assert found.hinge_risk.tolist() == [1.0] * 3
    # Among prompts of several lengths it is so for those without context, and for them alone.
    prompts = PATTERNS.replace(length=(0, 3), context=context).sampler([0, 1, 2]).prompts(60, purpose="test")
    assert prompts.mask is not None
    prediction = model.predict(prompts)
    empty = ~prompts.mask.any(dim=2)
    assert bool(empty.any())
    assert torch.equal(prediction.output == 0, empty)
    assert not prediction.attention[empty].any()
    torch.testing.assert_close(prediction.attention[~empty].sum(dim=1), torch.ones(int((~empty).sum())))


def test_no_gradient_is_lost_to_an_empty_prompt() -> None:
    model = SoftmaxReLUTransformer(seeds=1, d_X=5, d_Y=2, width=4, xi=1.0)
    prompts = PATTERNS.replace(length=(0, 1)).sampler([0]).prompts(20, purpose="test")
    gradients = torch.autograd.grad(model.predict(prompts).output.sum(), list(model.parameters()))
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


def test_gpt2_on_prompts_without_context() -> None:
    """It sees the query alone, and cannot do better than chance on patterns."""
    model = gpt2(d_X=5, d_Y=2)
    sampler = PATTERNS.replace(length=0).sampler(model.seeds, dtype=model.dtype)
    found = risks_on(model, sampler.prompts(400, purpose="test"))
    assert bool(((found.classification_error - 0.5).abs() < 5 * 0.5 / 400**0.5).all())
    errors = errors_by_length(gpt2(), TASK, prompts=5, lengths=[0])
    assert errors.lengths == (0,)
    assert errors.errors.shape == (2, 5, 1)


def test_neurons_are_the_one_layer_models() -> None:
    mask = torch.ones(2, 4, dtype=torch.bool)
    for model, task in ((gpt2(d_X=5, d_Y=2), PATTERNS), (gpt2(), TASK)):
        with pytest.raises(BadRequest, match=r"neurons.*None: GPT-2 with .* has no neurons"):
            icl.evaluate(model, task, prompts=4, neurons=mask)


@pytest.mark.parametrize(
    ("task", "settings", "named"),
    [
        (TASK.replace(d_X=4), {}, r"\(3, 1\).*\(4, 1\)"),
        (PATTERNS, {}, r"\(3, 1\).*\(5, 2\)"),
        (TASK.replace(length=6), {}, "length: expected .*at most 5.*, got 6"),
        (TASK, {"prompts": 0}, r"prompts: expected .*, got 0"),
        (TASK, {"seeds": [1]}, "number of seeds: expected one per run, 2"),
        ([], {}, r"number of tasks: expected .*, got 0"),
        ([PatternClassification(M1=3, M2=2, d_X=5, d_Y=2)], {}, "number of tasks: expected .*2.*, got 1"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(task: Any, settings: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        icl.evaluate(gpt2(), task, **{"prompts": 4, **settings})


def test_functions_are_not_for_the_one_layer_model_nor_every_x_for_columns() -> None:
    with pytest.raises(BadRequest, match=r"predictions: expected .*one query per prompt.*, got .every"):
        icl.evaluate(SoftmaxReLUTransformer(d_X=3, d_Y=1), TASK)
    with pytest.raises(BadRequest, match=r"tokens: expected .*alternating.*, got 'columns'"):
        icl.evaluate(gpt2(tokens="columns"), TASK)
    found = icl.evaluate(gpt2(tokens="columns"), TASK.replace(predictions="query"), prompts=4)
    assert found.lengths == (4,)


def test_a_model_trained_on_functions_may_be_tested_on_any_of_them() -> None:
    model = gpt2()
    model.trained_on = (TASK, TASK)
    for function in get_args(FunctionName):
        assert icl.evaluate(model, TASK.replace(function=function), prompts=3).errors.shape == (2, 3, 5)
