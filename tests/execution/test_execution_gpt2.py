"""Trials of every model, task and rule through the store: trained, interrupted, resumed and read back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_execution_local import assert_same

from iclscope.execution.groups import groups_of
from iclscope.execution.jobs import train_trials
from iclscope.execution.run_trials import load_groups, run_trials
from iclscope.execution.stores.store import TrialStore
from iclscope.models import GPT2Transformer, GPT2TransformerConfig, SoftmaxReLUConfig
from iclscope.tasks import FunctionClass, PatternClassification
from iclscope.training.schedules import Curriculum, LengthPerStep
from iclscope.training.trial import Evaluation, Training, Trial

PATTERNS = PatternClassification(M1=4, M2=3, d_X=8, d_Y=3, length=5)
FUNCTIONS = FunctionClass(d_X=3, length=4)
STEPS = 30
SIZES: dict[str, Any] = {"layers": 1, "heads": 2, "embedding": 8, "positions": 12}


def on_functions(seed: int = 0, **training: Any) -> Trial:
    return Trial(
        task=FUNCTIONS,
        model=GPT2TransformerConfig(d_X=3, **SIZES),
        training=Training(
            **{
                "optimizer": "adam",
                "loss": "squared",
                "learning_rate": 0.01,
                "rate_decay": True,
                "steps": STEPS,
                "batch_size": 4,
                "schedule": Curriculum(dimensions=1, length=1, every=7),
                **training,
            }
        ),
        evaluation=Evaluation(
            on={"test": FUNCTIONS, "noisy": FUNCTIONS.replace(noise=1.0)},
            probes=("squared_error",),
            every=10,
            prompts=8,
        ),
        seed=seed,
    )


def on_patterns(seed: int = 0, tokens: Any = "columns", **training: Any) -> Trial:
    return Trial(
        task=PATTERNS.replace(length=(1, 5)),
        model=GPT2TransformerConfig(d_X=8, d_Y=3, tokens=tokens, **SIZES),
        training=Training(
            **{
                "optimizer": "adam",
                "learning_rate": 0.01,
                "steps": STEPS,
                "batch_size": 4,
                "schedule": LengthPerStep(),
            },
            **training,
        ),
        evaluation=Evaluation(on={"test": PATTERNS}, probes=("risk", "layers"), every=10, prompts=8),
        seed=seed,
    )


def one_layer(seed: int, *, xi: float = 0.02, **training: Any) -> Trial:
    return Trial(
        task=PATTERNS,
        model=SoftmaxReLUConfig(d_X=8, d_Y=3, width=6, xi=xi),
        training=Training(**{"optimizer": "adam", "learning_rate": 0.01, "steps": STEPS, "batch_size": 4, **training}),
        evaluation=Evaluation(on={"test": PATTERNS}, every=5, prompts=64),
        seed=seed,
    )


def trials_of_every_kind() -> list[Trial]:
    return [
        on_functions(0),
        on_functions(1),
        on_functions(0, optimizer="sgd", learning_rate=1e30),  # diverges
        on_patterns(0),
        on_patterns(0, tokens="alternating"),
        one_layer(0, target_risk=1e-9),  # never ends early
        one_layer(1, target_risk=0.998),  # ends in the middle
        one_layer(2, target_risk=1e-9, xi=1e39),  # diverges: more than a float32 can hold
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrialStore:
    store = TrialStore(tmp_path_factory.mktemp("whole"))
    run_trials(trials_of_every_kind(), store, workers=1)
    return store


def test_these_trials_are_of_every_fate(whole: TrialStore) -> None:
    """Without runs that stop and diverge, alone and beside others, what follows would test less."""
    groups = list(load_groups(trials_of_every_kind(), whole))
    assert sorted(len(group.trials) for group in groups) == [1, 1, 1, 1, 1, 3]
    ends = {
        trial.hash: (stopped, diverged)
        for group in groups
        for trial, stopped, diverged in zip(group.trials, group.stopped_at, group.diverged_at, strict=True)
    }
    fates = [ends[trial.hash] for trial in trials_of_every_kind()]
    assert fates[2][1] >= 1
    assert 5 <= fates[6][0] < STEPS
    assert fates[7][1] >= 0
    assert all(fates[i] == (-1, -1) for i in (0, 1, 3, 4, 5))


def test_what_is_stored_comes_back(whole: TrialStore) -> None:
    trial = on_functions(1)
    state, (group,) = train_trials([trial]), load_groups([trial], whole)
    assert isinstance(group.model, GPT2Transformer)
    assert group.model.trained_on == (FUNCTIONS,)
    assert group.model.seeds == (1,)
    for name, weight in group.model.state_dict().items():
        assert torch.equal(weight, state.weights[name]), name
    assert list(group.recorded_at) == [0, 10, 20, 30]
    for on in ("test", "noisy"):
        assert group.trajectory[f"{on}/squared_error"].shape == (1, 4, 5)
        assert torch.equal(group.trajectory[f"{on}/squared_error"], state.trajectory()[f"{on}/squared_error"])


@pytest.mark.parametrize("tokens", ["columns", "alternating"])
def test_what_layers_do_is_recorded_with_either_tokens(whole: TrialStore, tokens: str) -> None:
    (group,) = load_groups([on_patterns(0, tokens)], whole)
    for name in ("same_pattern", "best_head", "on_context", "angle_plus", "angle_minus", "label_norm"):
        values = group.trajectory[f"test/{name}"]
        assert values.shape == (1, 4, 1)
        assert bool(values.isfinite().all()), name


def test_gpt2_is_trained_one_run_at_a_time_on_a_cpu_and_many_on_a_gpu() -> None:
    trials = [on_functions(seed) for seed in range(20)]
    assert [len(group) for group in groups_of(trials)] == [1] * 20
    assert [len(group) for group in groups_of(trials, "cuda")] == [16, 4]
    rates = [on_functions(seed, learning_rate=rate) for seed in range(2) for rate in (0.01, 0.02)]
    assert sorted(len(group) for group in groups_of(rates, "cuda")) == [2, 2]


def test_the_number_of_workers_does_not_matter(tmp_path: Path, whole: TrialStore) -> None:
    """Transformers' models in two threads do not disturb each other."""
    run_trials(trials_of_every_kind(), TrialStore(tmp_path), workers=2)
    assert_same(whole.folder, tmp_path)


def ctrl_c_after(steps: int) -> Callable[[int], None]:
    """Press Ctrl-C, and go slowly from then on, so that it reaches the main thread while steps are being made."""
    made = iter(range(1, 10**6))

    def press(work: int) -> None:
        now = next(made)
        if now == steps:
            os.kill(os.getpid(), signal.SIGINT)
        if now >= steps:
            time.sleep(0.05)

    return press


@pytest.mark.parametrize("pressed", [[4], [45], [5, 33, 60]])
def test_interrupted_and_run_again(tmp_path: Path, whole: TrialStore, pressed: list[int]) -> None:
    """In the middle of any trial, once or several times: files, to the last bit, as if it had not been."""
    trials, store = trials_of_every_kind(), TrialStore(tmp_path)
    for steps in pressed:
        with pytest.raises(KeyboardInterrupt):
            run_trials(trials, store, workers=1, on_step=ctrl_c_after(steps))
        assert store.missing(trials)
    unfinished = list(tmp_path.glob("unfinished-*.safetensors"))
    assert len(unfinished) == 1
    assert 0 < int(load_file(unfinished[0])["step"]) < STEPS
    torch.manual_seed(pressed[0])  # whatever state PyTorch's own generator is in
    run_trials(trials, store, workers=1)
    assert_same(whole.folder, tmp_path)  # and nothing unfinished is left


def test_half_of_an_unfinished_training_starts_anew(tmp_path: Path, whole: TrialStore) -> None:
    trials, store = [on_functions(0)], TrialStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_trials(trials, store, workers=1, on_step=ctrl_c_after(5))
    (unfinished,) = tmp_path.glob("unfinished-*.safetensors")
    content = unfinished.read_bytes()
    unfinished.write_bytes(content[: len(content) // 2])
    made: list[int] = []
    run_trials(trials, store, workers=1, on_step=made.append)
    assert len(made) == STEPS
    assert store.path(trials[0]).read_bytes()[-1000:] == whole.path(trials[0]).read_bytes()[-1000:]
    for name, tensor in load_file(store.path(trials[0])).items():
        assert torch.equal(tensor, load_file(whole.path(trials[0]))[name]), name
    assert list(tmp_path.iterdir()) == [store.path(trials[0])]
