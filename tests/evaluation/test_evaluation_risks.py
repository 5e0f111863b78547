"""Hinge risk and classification error, by hand and on fresh prompts."""

from __future__ import annotations

import pytest
import reference
import torch

from iclscope.core.errors import BadRequest
from iclscope.evaluation import evaluate, risks_of, risks_on
from iclscope.evaluation.risks import EVALUATION_PURPOSE
from iclscope.models import SoftmaxReLUTransformer
from iclscope.tasks import PatternClassification, PatternShift
from iclscope.training.gradients import TRAINING_PURPOSE

TASK = PatternClassification(M1=4, M2=3, d_X=8, d_Y=3, length=6, beta=3.0, q_norm=2.0)


def random_model(seeds: list[int], dtype: torch.dtype = torch.float64) -> SoftmaxReLUTransformer:
    model = SoftmaxReLUTransformer(seeds=seeds, d_X=8, d_Y=3, width=6, dtype=dtype)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            for run, seed in enumerate(seeds):  # a run's weights are its seed's, wherever it stands
                generator = torch.Generator().manual_seed(100 * seed + len(name) + ord(name[-1]))
                weight[run] += 0.3 * torch.randn(weight[run].shape, generator=generator, dtype=torch.float64).to(dtype)
    return model


def test_risks_by_hand() -> None:
    output = torch.tensor([[0.5, -0.5, 2.0, -4.0], [0.0, 0.0, 3.0, -0.25]])
    labels = torch.tensor([[1.0, 1.0, 1.0, -1.0], [1.0, -1.0, 1.0, 1.0]])
    risks = risks_of(output, labels)
    assert risks.hinge_risk.tolist() == [(0.5 + 1.5 + 0 + 0) / 4, (1 + 1 + 0 + 1.25) / 4]
    assert risks.classification_error.tolist() == [0.25, (0.5 + 0.5 + 0 + 1) / 4]  # F = 0 counts half


@pytest.mark.parametrize("length", [6, (2, 8)])
def test_risks_on_prompts_equal_the_reference(length: int | tuple[int, int]) -> None:
    model = random_model([0, 1])
    prompts = TASK.replace(length=length).sampler([0, 1], dtype=torch.float64).prompts(5, purpose="test")
    dense = prompts.dense()
    weights = {name: weight.detach() for name, weight in model.state_dict().items()}
    batch = reference.Batch(dense.columns, dense.query, dense.labels, dense.mask)
    risks = risks_on(model, prompts)
    torch.testing.assert_close(risks.hinge_risk, torch.stack(reference.hinge_risk(weights, batch)))
    for run, answers in enumerate(reference.predict(weights, batch)):
        wrong = [float(a.output) * float(z) < 0 for a, z in zip(answers, dense.labels[run], strict=True)]
        assert float(risks.classification_error[run]) == pytest.approx(sum(wrong) / 5)


def test_a_dead_model_errs_on_half_of_the_prompts() -> None:
    model = SoftmaxReLUTransformer(d_X=8, d_Y=3, xi=0.0)
    risks = evaluate(model, TASK, prompts=100)
    assert risks.hinge_risk.tolist() == [1.0]
    assert risks.classification_error.tolist() == [0.5]


def test_evaluation_prompts_are_no_training_prompts() -> None:
    sampler = TASK.sampler([0])
    training = torch.cat(
        [sampler.prompts(50, purpose=TRAINING_PURPOSE, step=step).kappa.flatten() for step in range(40)]
    )
    evaluation = torch.cat(
        [sampler.prompts(500, purpose=EVALUATION_PURPOSE, step=step).kappa.flatten() for step in (0, 500)]
    )
    # In float32 κ has few enough values to repeat by chance: compare whole prompts' worth of columns.
    pairs = {tuple(row) for row in training.reshape(-1, 6).tolist()}
    assert not pairs & {tuple(row) for row in evaluation.reshape(-1, 6).tolist()}
    assert TRAINING_PURPOSE != EVALUATION_PURPOSE


def test_a_run_is_evaluated_as_if_alone() -> None:
    together = evaluate(random_model([3, 4, 5]), TASK, prompts=300)
    for run, seed in enumerate((3, 4, 5)):
        alone = evaluate(random_model([seed]), TASK, prompts=300)
        torch.testing.assert_close(alone.hinge_risk[0], together.hinge_risk[run], rtol=0, atol=1e-12)
        assert alone.classification_error[0] == together.classification_error[run]
    again = evaluate(random_model([3, 4, 5]), TASK, prompts=300)
    assert torch.equal(again.hinge_risk, together.hinge_risk)


def test_every_run_may_have_its_own_task() -> None:
    model = random_model([3, 4])
    tasks = [TASK.replace(alpha=0.3), TASK.replace(alpha=1.0, K=0.0)]
    mixed = evaluate(model, tasks, prompts=200)
    for run, task in enumerate(tasks):
        expected = evaluate(model, task, prompts=200).hinge_risk[run]
        torch.testing.assert_close(mixed.hinge_risk[run], expected, rtol=0, atol=1e-12)


def test_the_parts_of_a_long_evaluation_are_different_prompts_and_weigh_alike() -> None:
    task = TASK.replace(length=2000)  # 12 prompts at once
    model = random_model([3])
    whole = evaluate(model, task, prompts=30)
    sampler = task.sampler([3], dtype=torch.float64)
    sizes = (12, 12, 6)
    parts = [
        risks_on(model, sampler.prompts(size, purpose=EVALUATION_PURPOSE, step=at))
        for size, at in zip(sizes, (0, 12, 24), strict=True)
    ]
    expected = sum(part.hinge_risk * size for part, size in zip(parts, sizes, strict=True)) / 30
    torch.testing.assert_close(whole.hinge_risk, expected)
    assert not torch.equal(parts[0].hinge_risk, parts[1].hinge_risk)


def test_other_seeds_other_prompts() -> None:
    model = random_model([3])
    one, other = evaluate(model, TASK, prompts=100), evaluate(model, TASK, prompts=100, seeds=[4])
    assert not torch.equal(one.hinge_risk, other.hinge_risk)
    same = evaluate(model, TASK, prompts=100, seeds=[3])
    assert torch.equal(one.hinge_risk, same.hinge_risk)


def test_pruned_neurons_are_left_out() -> None:
    model = random_model([3, 4])
    neurons = torch.tensor([[True] * 3 + [False] * 3, [False] * 6])
    risks = evaluate(model, TASK, prompts=100, neurons=neurons)
    assert risks.hinge_risk[1] == 1
    assert risks.classification_error[1] == 0.5
    assert risks.hinge_risk[0] != evaluate(model, TASK, prompts=100).hinge_risk[0]


def test_evaluation_leaves_no_gradients() -> None:
    assert not evaluate(random_model([3]), TASK, prompts=10).hinge_risk.requires_grad


def test_out_of_domain_tasks_use_the_runs_own_patterns() -> None:
    task = TASK.replace(alpha=1.0, shift=PatternShift(S1=1.1))
    risks = evaluate(random_model([3, 4]), task, prompts=50)
    assert bool(risks.hinge_risk.isfinite().all())


def test_a_task_of_other_dimensions_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"\(8, 3\).*\(9, 3\)"):
        evaluate(random_model([3]), TASK.replace(d_X=9))
    with pytest.raises(BadRequest, match=r"\(8, 3\).*\(8, 2\)"):
        evaluate(random_model([3]), TASK.replace(d_Y=2))
    with pytest.raises(BadRequest, match="one per seed"):
        evaluate(random_model([3]), [TASK, TASK])
