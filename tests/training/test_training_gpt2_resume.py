"""GPT-2 with Adam and a curriculum, interrupted anywhere and resumed: the same bits as if it had not been.

The public code of Garg 2022 does not save the state of its random numbers, so a resumed run of it differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from test_training_resume import assert_identical, ctrl_c_at
from torch import Tensor

from iclscope.models import GPT2Transformer, GPT2TransformerConfig, pretrained
from iclscope.tasks import FunctionClass
from iclscope.training.loop import Checkpointing, Probe, train_runs
from iclscope.training.losses import squared_loss
from iclscope.training.schedules import Curriculum, LengthPerStep, Schedule, ScheduledSampler
from iclscope.training.state import TrainingState

TASK = FunctionClass(d_X=3, length=4, noise=0.1)
CONFIG = GPT2TransformerConfig(d_X=3, layers=1, heads=2, embedding=8, positions=12)
SEEDS = (0, 1, 2, 3)
STEPS = 12
CURRICULUM = Curriculum(dimensions=1, length=1, every=3)
MOVED = 0.2  # far enough for run 1 to stop, a few steps in
LIMIT = 6.0  # an answer as large as this is rare enough for only run 3 to meet one


class Log:
    """What a training reports of its losses, over all its parts."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, tuple[int, ...], tuple[float, ...]]] = []

    def __call__(self, step: int, live: Sequence[int], losses: Tensor) -> None:
        self.lines.append((step, tuple(live), tuple(losses.tolist())))


def measure(model: GPT2Transformer, live: Sequence[int]) -> Mapping[str, Tensor]:
    weight = model.network.read_out.weight
    return {"moved": (weight - model.untrained().network.read_out.weight).norm(dim=(1, 2)), "weights": weight[:, 0]}


def reached(records: Mapping[str, Tensor], live: Sequence[int]) -> Tensor:
    """Run 1 stops early, the others never."""
    return torch.tensor([run == 1 and float(records["moved"][i]) >= MOVED for i, run in enumerate(live)])


def loss_of_runs_that_diverge(output: Tensor, labels: Tensor) -> Tensor:
    """Squared loss, infinite for a run that is asked for a large number: a pure function of the step, like all else."""
    infinite = torch.where(labels.abs() > LIMIT, torch.inf, 0.0)
    return squared_loss(output, labels) + infinite


def train(
    checkpointing: Checkpointing | None = None,
    *,
    on_step: Callable[[int], None] | None = None,
    log: Log | None = None,
    schedule: Schedule = CURRICULUM,
    should_stop: Callable[[], bool] | None = None,
    **changes: Any,
) -> TrainingState:
    sampler = ScheduledSampler(TASK.sampler(SEEDS), schedule, dimensions=3, length=4)
    return train_runs(
        GPT2Transformer(CONFIG, seeds=SEEDS), sampler, learning_rate=torch.full((4,), 0.05), steps=STEPS, batch_size=4,
        probe=Probe(measure, range(0, STEPS + 1, 2), reached), checkpointing=checkpointing, on_step=on_step,
        on_loss=log, should_stop=should_stop,
        **{"optimizer": "adam", "rate_decay": True, "loss": loss_of_runs_that_diverge, **changes},
    )  # fmt: skip


def assert_same(one: TrainingState, other: TrainingState) -> None:
    """Weights, records, ends, and what the optimizer remembers."""
    assert_identical(one, other)
    assert one.optimizer.keys() == other.optimizer.keys()
    for name, tensor in one.optimizer.items():
        assert torch.equal(tensor, other.optimizer[name]), name


@pytest.fixture(scope="module")
def whole() -> tuple[TrainingState, Log]:
    log = Log()
    return train(log=log), log


def test_this_training_has_runs_of_every_fate(whole: tuple[TrainingState, Log]) -> None:
    """Without runs that stop and diverge in the middle, resuming would be tested less."""
    state, log = whole
    assert 2 <= state.stopped_at[1] <= 8
    assert 4 <= state.diverged_at[3] <= 9
    assert state.stopped_at[[0, 2, 3]].tolist() == [-1, -1, -1]
    assert state.diverged_at[[0, 1, 2]].tolist() == [-1, -1, -1]
    assert state.step == STEPS
    assert [step for step, _, _ in log.lines] == list(range(STEPS))
    assert log.lines[-1][1] == (0, 2)
    # An ended run is remembered as it was when it ended.
    ends = [STEPS, int(state.stopped_at[1]), STEPS, int(state.diverged_at[3])]
    assert state.optimizer["step"].tolist() == ends


@pytest.mark.parametrize("steps", [[1], [2], [3], [5], [7], [11], [12], [4, 1, 3], [1, 1, 1, 1]])
def test_a_resumed_training_gives_the_same_bits(
    tmp_path: Path, steps: list[int], whole: tuple[TrainingState, Log]
) -> None:
    """Interrupted by Ctrl-C, once or again and again."""
    checkpointing, log = Checkpointing(tmp_path / "state.safetensors", "this one", seconds=1e9), Log()
    for step in steps:
        with pytest.raises(KeyboardInterrupt):
            train(checkpointing, on_step=ctrl_c_at(step), log=log)
    torch.manual_seed(sum(steps))  # whatever state PyTorch's own generator is in
    assert_same(train(checkpointing, log=log), whole[0])
    assert log.lines == whole[1].lines


def test_asked_to_stop_by_another_thread(tmp_path: Path, whole: tuple[TrainingState, Log]) -> None:
    checkpointing, log = Checkpointing(tmp_path / "state.safetensors", "this one", seconds=1e9), Log()
    answers = iter([False] * 6 + [True])
    with pytest.raises(KeyboardInterrupt):
        train(checkpointing, log=log, should_stop=lambda: next(answers))
    assert_same(train(checkpointing, log=log, should_stop=lambda: False), whole[0])
    assert log.lines == whole[1].lines


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd"},
        {"rate_decay": False},
        {"schedule": LengthPerStep(shortest=0)},
    ],
)
def test_whatever_the_rule_and_the_schedule(tmp_path: Path, changes: dict[str, Any]) -> None:
    checkpointing = Checkpointing(tmp_path / "state.safetensors", "this one", seconds=1e9)
    with pytest.raises(KeyboardInterrupt):
        train(checkpointing, on_step=ctrl_c_at(5), **changes)
    assert_same(train(checkpointing, **changes), train(**changes))


def test_a_save_that_fails_half_way_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: tuple[TrainingState, Log]
) -> None:
    """The training is lost, but not what it had saved before."""
    path = tmp_path / "state.safetensors"
    real, saves = pretrained.save_file, iter(range(1000))

    def full_at_the_fifth(tensors: Any, target: Path, metadata: Any) -> None:
        real(tensors, target, metadata)
        if next(saves) == 4:
            content = Path(target).read_bytes()
            Path(target).write_bytes(content[: len(content) // 2])
            raise OSError("No space left on device")

    monkeypatch.setattr(pretrained, "save_file", full_at_the_fifth)
    with pytest.raises(OSError, match="No space"):
        train(Checkpointing(path, "this one", seconds=0.0))
    monkeypatch.setattr(pretrained, "save_file", real)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    older = TrainingState.load(path, "this one")
    assert older is not None
    assert older.step == 4
    assert older.optimizer["step"].max() == 4
    counted: list[int] = []
    assert_same(train(Checkpointing(path, "this one", seconds=1e9), on_step=counted.append), whole[0])
    assert len(counted) == STEPS - 4


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.999])
def test_half_a_checkpoint_is_ignored(tmp_path: Path, keep: float, whole: tuple[TrainingState, Log]) -> None:
    path = tmp_path / "state.safetensors"
    checkpointing = Checkpointing(path, "this one", seconds=1e9)
    with pytest.raises(KeyboardInterrupt):
        train(checkpointing, on_step=ctrl_c_at(7))
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    assert TrainingState.load(path, "this one") is None
    counted: list[int] = []
    assert_same(train(checkpointing, on_step=counted.append), whole[0])
    assert len(counted) == STEPS


def test_without_what_adam_remembers_it_would_differ(tmp_path: Path, whole: tuple[TrainingState, Log]) -> None:
    """The test above sees it: weights alone are not enough."""
    path = tmp_path / "state.safetensors"
    checkpointing = Checkpointing(path, "this one", seconds=1e9)
    with pytest.raises(KeyboardInterrupt):
        train(checkpointing, on_step=ctrl_c_at(5))
    state = TrainingState.load(path, "this one")
    assert state is not None
    state.optimizer.clear()
    state.save(path, "this one")
    weights = train(checkpointing).weights
    assert not all(torch.equal(weight, whole[0].weights[name]) for name, weight in weights.items())


def test_a_run_does_not_depend_on_the_runs_beside_it(whole: tuple[TrainingState, Log]) -> None:
    """Nor on their ends: run 2, which stands beside one that stops and one that diverges, is as if alone."""
    sampler = ScheduledSampler(TASK.sampler([2]), CURRICULUM, dimensions=3, length=4)
    alone = train_runs(
        GPT2Transformer(CONFIG, seeds=[2]), sampler, learning_rate=torch.tensor([0.05]), steps=STEPS, batch_size=4,
        optimizer="adam", rate_decay=True, loss=squared_loss, autograd=True,
    )  # fmt: skip
    for name, weight in alone.weights.items():
        assert torch.equal(weight[0], whole[0].weights[name][2]), name
