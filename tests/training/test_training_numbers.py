"""The one loop: its steps against the reference, and runs that do not see each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import reference
import torch
from torch import Tensor

import iclscope as icl
from iclscope.models import SoftmaxReLUConfig, SoftmaxReLUTransformer
from iclscope.tasks import PatternClassification, PatternSampler
from iclscope.training.gradients import TRAINING_PURPOSE
from iclscope.training.loop import Probe, train_runs
from iclscope.training.losses import hinge_loss
from iclscope.training.state import TrainingState

TASK = PatternClassification(M1=4, M2=3, d_X=8, d_Y=3, length=6, beta=3.0, q_norm=2.0)
CONFIG = SoftmaxReLUConfig(d_X=8, d_Y=3, width=10, xi=0.1)

# Matrix products of another number of runs may be summed in another order. Measured on this problem after 40
# steps: 7e-16 in float64, 4e-6 in float32.
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}


def model_of(seeds: Sequence[int], dtype: torch.dtype = torch.float64) -> SoftmaxReLUTransformer:
    return SoftmaxReLUTransformer(seeds=seeds, configs=[CONFIG] * len(seeds), dtype=dtype)


def train(
    seeds: Sequence[int] = (0, 1, 2),
    *,
    rates: Sequence[float] | float = 0.5,
    steps: int = 40,
    dtype: torch.dtype = torch.float64,
    batch_size: int = 8,
    probe: Probe | None = None,
) -> TrainingState:
    eta = [rates] * len(seeds) if isinstance(rates, float) else list(rates)
    return train_runs(
        model_of(seeds, dtype),
        TASK.sampler(seeds, dtype=dtype),
        learning_rate=torch.tensor(eta, dtype=dtype),
        steps=steps,
        batch_size=batch_size,
        probe=probe,
    )


def assert_runs_equal(
    one: TrainingState, other: TrainingState, pairs: Sequence[tuple[int, int]], *, tolerance: float = 0.0
) -> None:
    for name, weight in one.weights.items():
        for i, j in pairs:
            torch.testing.assert_close(weight[i], other.weights[name][j], rtol=0, atol=tolerance)


def test_hinge_loss_by_hand() -> None:
    output = torch.tensor([[0.5, -0.5, 2.0, 1.0], [0.0, -3.0, 0.25, 0.0]])
    labels = torch.tensor([[1.0, 1.0, 1.0, -1.0], [1.0, -1.0, -1.0, -1.0]])
    assert hinge_loss(output, labels).tolist() == [[0.5, 1.5, 0.0, 2.0], [1.0, 0.0, 1.25, 1.0]]


@pytest.mark.parametrize("length", [6, (2, 7)])
def test_steps_are_the_references_gradient_steps(length: int | tuple[int, int]) -> None:
    """Three SGD steps, W ← W − η ∂risk/∂W with the reference's gradients on the same prompts."""
    seeds, rates = (3, 4), (0.7, 0.2)
    sampler = TASK.replace(length=length).sampler(seeds, dtype=torch.float64)
    model = model_of(seeds)
    weights = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
    for step in range(3):
        dense = sampler.prompts(4, purpose=TRAINING_PURPOSE, step=step).dense()
        batch = reference.Batch(dense.columns, dense.query, dense.labels, dense.mask)
        for name, gradient in reference.gradients(weights, batch).items():
            for run, eta in enumerate(rates):
                weights[name][run] -= eta * gradient[run]
    state = train_runs(model, sampler, learning_rate=torch.tensor(rates, dtype=torch.float64), steps=3, batch_size=4)
    assert state.step == 3
    for name, weight in weights.items():
        torch.testing.assert_close(state.weights[name], weight, rtol=1e-10, atol=1e-10)


def test_the_output_signs_are_not_trained() -> None:
    assert torch.equal(train().weights["a"], model_of((0, 1, 2)).a)


def test_training_lowers_the_risk() -> None:
    task = TASK.replace(length=12, tasks="all", training_tasks="all")
    model = model_of([0, 1])
    sampler = task.sampler([0, 1], dtype=torch.float64)
    state = train_runs(
        model, sampler, learning_rate=torch.full((2,), 0.5, dtype=torch.float64), steps=150, batch_size=64
    )
    trained = model_of([0, 1])
    trained.load_state_dict(state.weights)
    prompts = sampler.prompts(500, purpose="test")
    before = hinge_loss(model.predict(prompts).output, prompts.labels).mean(dim=1)
    after = hinge_loss(trained.predict(prompts).output, prompts.labels).mean(dim=1)
    assert bool((before > 0.9).all())
    assert bool((after < 0.4).all())


def test_the_same_seed_gives_the_same_numbers() -> None:
    assert_runs_equal(train(), train(), [(0, 0), (1, 1), (2, 2)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batched_or_alone_the_numbers_agree(dtype: torch.dtype) -> None:
    together = train((0, 1, 2), dtype=dtype)
    for run in range(3):
        assert_runs_equal(train((run,), dtype=dtype), together, [(0, run)], tolerance=TOLERANCE[dtype])
    assert_runs_equal(train((2, 9, 0), dtype=dtype), together, [(0, 2), (2, 0)], tolerance=TOLERANCE[dtype])


def test_every_run_has_its_own_learning_rate() -> None:
    together = train((0, 0, 0), rates=(0.1, 0.5, 0.0))
    assert_runs_equal(train((0,), rates=(0.1,)), together, [(0, 0)], tolerance=1e-10)
    assert_runs_equal(train((0,), rates=(0.5,)), together, [(0, 1)], tolerance=1e-10)
    assert torch.equal(together.weights["W_O"][2], model_of([0]).W_O[0])
    assert not torch.allclose(together.weights["W_O"][0], together.weights["W_O"][1])


def test_the_callers_model_is_not_changed() -> None:
    model = model_of([0, 1])
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    state = train_runs(
        model, TASK.sampler([0, 1], dtype=torch.float64), learning_rate=torch.ones(2), steps=5, batch_size=4
    )
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert not torch.equal(state.weights["W_O"], before["W_O"])


def test_no_steps_leave_the_initial_weights() -> None:
    state = train(steps=0, probe=Probe(norms, {0}))
    assert state.step == 0
    assert state.recorded_at == [0]
    for name, weight in model_of((0, 1, 2)).state_dict().items():
        assert torch.equal(state.weights[name], weight)
    assert state.stopped_at.tolist() == state.diverged_at.tolist() == [-1, -1, -1]


def test_every_step_has_fresh_prompts_of_the_training_stream() -> None:
    calls: list[tuple[int, str, int]] = []

    class Watched(PatternSampler):
        def prompts(self, batch: int, *, purpose: str, step: int = 0) -> object:  # type: ignore[override]
            calls.append((batch, purpose, step))
            return super().prompts(batch, purpose=purpose, step=step)

        def runs(self, indices: Sequence[int]) -> PatternSampler:
            return Watched([TASK] * len(indices), list(indices), dtype=torch.float64)

    on_step: list[int] = []
    train_runs(
        model_of([0, 1]), Watched([TASK] * 2, [0, 1], dtype=torch.float64), learning_rate=torch.ones(2), steps=4,
        batch_size=3, on_step=on_step.append,
    )  # fmt: skip
    assert calls == [(3, "training", step) for step in range(4)]
    assert on_step == [2, 2, 2, 2]


def norms(model: SoftmaxReLUTransformer, live: Sequence[int]) -> Mapping[str, Tensor]:
    return {"norm": model.W_O.norm(dim=(1, 2)), "rows": model.W_O.norm(dim=2)}


def test_probes_are_taken_at_their_steps_and_change_nothing() -> None:
    state = train(steps=10, probe=Probe(norms, {0, 3, 10}))
    assert state.recorded_at == [0, 3, 10]
    trajectory = state.trajectory()
    assert trajectory["norm"].shape == (3, 3)
    assert trajectory["rows"].shape == (3, 3, 10)
    for record, steps in enumerate((0, 3, 10)):
        expected = train(steps=steps).weights["W_O"].norm(dim=2)
        assert torch.equal(trajectory["rows"][:, record], expected)
    assert_runs_equal(state, train(steps=10), [(0, 0), (1, 1), (2, 2)])


def test_a_run_that_diverges_is_reported_and_hurts_no_other() -> None:
    rates = (0.5, 1e200, 0.5)
    state = train((0, 1, 2), rates=rates, probe=Probe(norms, {0, 20, 40}))
    assert state.diverged_at[1] >= 1
    assert state.diverged_at[[0, 2]].tolist() == [-1, -1]
    assert state.stopped_at.tolist() == [-1, -1, -1]
    assert state.step == 40
    assert_runs_equal(train((0, 2), rates=0.5), state, [(0, 0), (1, 2)], tolerance=1e-10)
    norm = state.trajectory()["norm"]
    assert bool(norm[[0, 2]].isfinite().all())
    assert bool(norm[1, 1:].isnan().all())


def test_when_every_run_diverges_training_ends() -> None:
    steps: list[int] = []
    state = train_runs(
        model_of([0, 1]), TASK.sampler([0, 1], dtype=torch.float64),
        learning_rate=torch.full((2,), 1e250, dtype=torch.float64), steps=1000, batch_size=8, on_step=steps.append,
    )  # fmt: skip
    assert bool((state.diverged_at > 0).all())
    assert len(steps) < 20


def test_runs_stop_at_their_target_and_are_trained_no_further() -> None:
    limit = torch.tensor([0.0, 1.3, torch.inf], dtype=torch.float64)

    def reached(records: Mapping[str, Tensor], live: Sequence[int]) -> Tensor:
        return records["norm"] >= limit[list(live)]

    counted: list[int] = []
    probe = Probe(norms, range(0, 41, 2), reached)
    state = train_runs(
        model_of([0, 1, 2]), TASK.sampler([0, 1, 2], dtype=torch.float64),
        learning_rate=torch.full((3,), 0.5, dtype=torch.float64), steps=40, batch_size=8, probe=probe,
        on_step=counted.append,
    )  # fmt: skip
    first, second, third = state.stopped_at.tolist()
    assert first == 0
    assert 0 < second < 40
    assert second % 2 == 0
    assert third == -1
    assert state.diverged_at.tolist() == [-1, -1, -1]
    assert counted == [2] * second + [1] * (40 - second)
    assert torch.equal(state.weights["W_O"][0], model_of([0]).W_O[0])
    assert_runs_equal(train((1,), steps=second), state, [(0, 1)], tolerance=1e-10)
    assert_runs_equal(train((2,)), state, [(0, 2)], tolerance=1e-10)
    norm = state.trajectory()["norm"]
    assert float(norm[1, second // 2]) >= 1.3 > float(norm[1, second // 2 - 1])
    assert bool(norm[0, 1:].isnan().all())
    assert bool(norm[1, second // 2 + 1 :].isnan().all())
    assert bool(norm[2].isfinite().all())


def test_training_ends_once_every_run_has_reached_its_target() -> None:
    counted: list[int] = []

    def at_once(records: Mapping[str, Tensor], live: Sequence[int]) -> Tensor:
        return records["norm"] > 0

    probe = Probe(norms, range(1000), at_once)
    state = train_runs(
        model_of([0]), TASK.sampler([0], dtype=torch.float64), learning_rate=torch.ones(1), steps=1000, batch_size=2,
        probe=probe, on_step=counted.append,
    )  # fmt: skip
    assert state.stopped_at.tolist() == [0]
    assert counted == []


def test_a_model_knows_the_patterns_it_was_trained_on() -> None:
    """Another number of patterns means other patterns, so a test on them would mean nothing."""
    task = icl.tasks.PatternClassification(M1=4, M2=6, d_X=10, d_Y=4)
    model = icl.models.SoftmaxReLUTransformer(d_X=10, d_Y=4, width=6)
    trained = icl.train(model, task, steps=2, batch_size=4).model
    icl.evaluate(trained, task.replace(tasks="unseen", alpha=0.4), prompts=8)
    with pytest.raises(icl.BadRequest, match=r"\(M1, M2\)"):
        icl.evaluate(trained, task.replace(M1=3), prompts=8)
    with pytest.raises(icl.BadRequest, match="prompts"):
        icl.evaluate(trained, task, prompts=0)
