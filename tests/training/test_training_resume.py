"""An interrupted training goes on as if nothing had happened, or starts anew; never from half a file."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from iclscope.models import SoftmaxReLUConfig, SoftmaxReLUTransformer
from iclscope.tasks import PatternClassification
from iclscope.training.interrupts import deferred_interrupt
from iclscope.training.loop import Checkpointing, Probe, train_runs
from iclscope.training.state import TrainingState

TASK = PatternClassification(M1=4, M2=3, d_X=8, d_Y=3, length=6, beta=3.0, q_norm=2.0)
CONFIG = SoftmaxReLUConfig(d_X=8, d_Y=3, width=10, xi=0.1)
STEPS = 20
MOVED = 0.1  # far enough for run 1 to stop, a few records in


def measure(model: SoftmaxReLUTransformer, live: Sequence[int]) -> Mapping[str, Tensor]:
    moved = (model.W_O - model.untrained().W_O).norm(dim=(1, 2))
    return {"risk/moved": moved, "rows": model.W_O.norm(dim=2)}


def reached(records: Mapping[str, Tensor], live: Sequence[int]) -> Tensor:
    """Run 1 stops early, the others never."""
    return torch.tensor([run == 1 and float(records["risk/moved"][i]) >= MOVED for i, run in enumerate(live)])


def train(
    checkpointing: Checkpointing | None = None,
    on_step: Callable[[int], None] | None = None,
    dtype: torch.dtype = torch.float32,
) -> TrainingState:
    model = SoftmaxReLUTransformer(seeds=4, configs=[CONFIG] * 4, dtype=dtype)
    rates = torch.tensor([0.5, 0.5, 1e30, 0.3], dtype=dtype)  # run 2 diverges
    return train_runs(
        model, TASK.sampler(range(4), dtype=dtype), learning_rate=rates, steps=STEPS, batch_size=8,
        probe=Probe(measure, range(0, STEPS + 1, 3), reached), checkpointing=checkpointing, on_step=on_step,
    )  # fmt: skip


def ctrl_c_at(step: int) -> Callable[[int], None]:
    """Press Ctrl-C during one step, counted from this call on."""
    made = iter(range(1, 1000))

    def press(live: int) -> None:
        if next(made) == step:
            os.kill(os.getpid(), signal.SIGINT)

    return press


def assert_identical(one: TrainingState, other: TrainingState) -> None:
    assert one.step == other.step
    assert one.recorded_at == other.recorded_at
    assert torch.equal(one.stopped_at, other.stopped_at)
    assert torch.equal(one.diverged_at, other.diverged_at)
    assert one.weights.keys() == other.weights.keys()
    for name, weight in one.weights.items():
        assert torch.equal(weight.nan_to_num(7.0), other.weights[name].nan_to_num(7.0)), name
    assert one.trajectory().keys() == other.trajectory().keys()
    for name, values in one.trajectory().items():
        assert values.dtype == other.trajectory()[name].dtype
        assert torch.equal(values.nan_to_num(7.0), other.trajectory()[name].nan_to_num(7.0)), name


def test_this_training_has_runs_of_every_fate() -> None:
    """Without runs that stop and diverge before the interruptions below, resuming would be tested less."""
    state = train()
    assert 3 <= state.stopped_at[1] <= 12
    assert 1 <= state.diverged_at[2] <= 3
    assert state.stopped_at[[0, 2, 3]].tolist() == [-1, -1, -1]
    assert state.diverged_at[[0, 1, 3]].tolist() == [-1, -1, -1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("steps", [[1], [2], [3], [9], [19], [20], [4, 5, 6], [1, 1, 1]])
def test_a_resumed_training_gives_the_same_bits(tmp_path: Path, steps: list[int], dtype: torch.dtype) -> None:
    checkpointing = Checkpointing(tmp_path / "state.safetensors", "this one", seconds=1e9)
    for step in steps:
        with pytest.raises(KeyboardInterrupt):
            train(checkpointing, ctrl_c_at(step), dtype)
    counted: list[int] = []
    resumed = train(checkpointing, counted.append, dtype)
    assert len(counted) == STEPS - sum(steps)
    assert_identical(resumed, train(dtype=dtype))


def test_saving_on_the_way_does_not_depend_on_being_asked(tmp_path: Path) -> None:
    """A killed process leaves its last regular save."""

    class Killed(Exception):
        pass

    def kill_at_12(live: int) -> None:
        made.append(live)
        if len(made) == 12:
            raise Killed

    made: list[int] = []
    checkpointing = Checkpointing(tmp_path / "state.safetensors", "this one", seconds=0.0)
    with pytest.raises(Killed):
        train(checkpointing, kill_at_12)
    counted: list[int] = []
    assert_identical(train(checkpointing, counted.append), train())
    assert len(counted) == STEPS - 11
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_nothing_is_saved_before_its_time(tmp_path: Path) -> None:
    train(Checkpointing(tmp_path / "state.safetensors", "this one", seconds=1e9))
    assert list(tmp_path.iterdir()) == []


def interrupted(path: Path, fingerprint: str = "this one") -> Checkpointing:
    checkpointing = Checkpointing(path, fingerprint, seconds=1e9)
    with pytest.raises(KeyboardInterrupt):
        train(checkpointing, ctrl_c_at(7))
    return checkpointing


def test_a_checkpoint_of_another_training_is_ignored(tmp_path: Path) -> None:
    interrupted(tmp_path / "state.safetensors", "another one")
    counted: list[int] = []
    state = train(Checkpointing(tmp_path / "state.safetensors", "this one"), counted.append)
    assert len(counted) == STEPS
    assert_identical(state, train())


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.999])
def test_half_a_checkpoint_is_ignored(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "state.safetensors"
    checkpointing = interrupted(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    counted: list[int] = []
    assert_identical(train(checkpointing, counted.append), train())
    assert len(counted) == STEPS


def test_a_state_survives_saving(tmp_path: Path) -> None:
    state = train()
    state.save(tmp_path / "state.safetensors", "this one")
    loaded = TrainingState.load(tmp_path / "state.safetensors", "this one")
    assert loaded is not None
    assert_identical(state, loaded)
    assert TrainingState.load(tmp_path / "state.safetensors", "another one") is None
    assert TrainingState.load(tmp_path / "nothing.safetensors", "this one") is None


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    state = train()
    state.save(tmp_path / "state.safetensors", "this one")
    counted: list[int] = []
    again = train(Checkpointing(tmp_path / "state.safetensors", "this one"), counted.append)
    assert counted == []
    assert_identical(again, state)


def test_whoever_else_asks_to_stop_is_heard_between_steps(tmp_path: Path) -> None:
    model = SoftmaxReLUTransformer(seeds=1, configs=[CONFIG])
    answers = iter([False, False, True])
    arguments = {
        "sampler": TASK.sampler([0]),
        "learning_rate": torch.ones(1),
        "steps": STEPS,
        "batch_size": 8,
        "checkpointing": Checkpointing(tmp_path / "state.safetensors", "this one", seconds=1e9),
    }
    with pytest.raises(KeyboardInterrupt):
        train_runs(model, **arguments, should_stop=lambda: next(answers))
    counted: list[int] = []
    resumed = train_runs(model, **arguments, should_stop=lambda: False, on_step=counted.append)
    assert len(counted) == STEPS - 3
    assert_identical(resumed, train_runs(model, **{**arguments, "checkpointing": None}))


def test_ctrl_c_without_a_checkpoint_ends_after_the_step() -> None:
    counted: list[int] = []
    press = ctrl_c_at(3)

    def step(live: int) -> None:
        counted.append(live)
        press(live)

    with pytest.raises(KeyboardInterrupt):
        train(on_step=step)
    assert len(counted) == 3


def test_ctrl_c_is_deferred_and_the_handler_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with deferred_interrupt() as request:
        assert not request.made
        os.kill(os.getpid(), signal.SIGINT)
        assert request.made
    assert signal.getsignal(signal.SIGINT) is before
    passed = []

    def press_twice() -> None:
        with deferred_interrupt():
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                passed.append(True)

    with pytest.raises(KeyboardInterrupt):
        press_twice()
    assert len(passed) == 1  # the second one raised at once
    assert signal.getsignal(signal.SIGINT) is before


def test_training_works_outside_the_main_thread() -> None:
    states: list[TrainingState] = []
    thread = threading.Thread(target=lambda: states.append(train()))
    thread.start()
    thread.join()
    assert_identical(states[0], train())
