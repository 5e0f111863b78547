"""Finished trials on disk: what is written comes back, and what is broken counts as missing."""

from __future__ import annotations

import builtins
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from iclscope.core.errors import StorageFailed
from iclscope.execution.groups import groups_of
from iclscope.execution.jobs import train_trials
from iclscope.execution.run_trials import load_groups, run_trials
from iclscope.execution.stores.store import TrialStore
from iclscope.execution.stores.trial_files import is_file_of, trial_files
from iclscope.models.softmax_relu import SoftmaxReLUConfig
from iclscope.tasks.patterns import PatternClassification
from iclscope.training.state import TrainingState
from iclscope.training.trial import Evaluation, Training, Trial

TASK = PatternClassification(M1=4, M2=6, d_X=10, d_Y=6, length=8)
MODEL = SoftmaxReLUConfig(d_X=10, d_Y=6, width=12)


def make_trial(seed: int = 0, *, task: dict[str, Any] | None = None, every: int = 4, **training: Any) -> Trial:
    changed = TASK.replace(**(task or {}))
    test = changed.replace(tasks="unseen")
    return Trial(
        task=changed,
        model=MODEL,
        training=Training(**{"steps": 12, "batch_size": 16, **training}),
        evaluation=Evaluation(on={"in-domain": test}, probes=("risk", "neurons"), every=every, prompts=32),
        seed=seed,
    )


@pytest.fixture
def store(tmp_path: Path) -> TrialStore:
    return TrialStore(tmp_path / "trained")


def trained(trials: list[Trial]) -> TrainingState:
    return train_trials(trials)


def test_what_is_stored_comes_back(store: TrialStore) -> None:
    trials = [make_trial(seed) for seed in range(3)]
    state = trained(trials)
    store.write(dict(trial_files(trials, state, {"note": "a test"})))
    group = store.load(trials)
    assert list(group.trials) == trials
    for name, tensor in group.model.state_dict().items():
        assert torch.equal(tensor, state.weights[name])
    assert list(group.recorded_at) == [0, 4, 8, 12]
    for name, values in state.trajectory().items():
        assert torch.equal(group.trajectory[name], values)
        assert torch.isfinite(values).all()
    assert group.trajectory["in-domain/feature_cosine"].shape == (3, 4, 12)
    assert list(group.stopped_at) == list(group.diverged_at) == [-1, -1, -1]


def test_trials_come_back_in_any_order_and_company(store: TrialStore) -> None:
    trials = [make_trial(seed) for seed in range(3)]
    state = trained(trials)
    store.write(dict(trial_files(trials, state, {})))
    group = store.load([trials[2], trials[0]])
    assert group.model.seeds == (2, 0)
    assert torch.equal(group.model.W_O, state.weights["W_O"][[2, 0]])
    assert torch.equal(group.trajectory["in-domain/hinge_risk"], state.trajectory()["in-domain/hinge_risk"][[2, 0]])


def test_files_are_named_by_hash_and_say_what_they_are(store: TrialStore) -> None:
    trial = make_trial()
    store.write(dict(trial_files([trial], trained([trial]), {"seconds": "1.5"})))
    assert [path.name for path in store.folder.iterdir()] == [f"{trial.hash}.safetensors"]
    with safe_open(store.path(trial), framework="pt") as file:
        noted = file.metadata()
    assert noted["seconds"] == "1.5"
    assert Trial.model_validate_json(noted["trial"]) == trial


def test_missing_trials_are_named_once_in_order(store: TrialStore) -> None:
    a, b, c = (make_trial(seed) for seed in range(3))
    assert store.missing([c, a, c, b]) == [c, a, b]
    store.write(dict(trial_files([a], trained([a]), {})))
    assert store.missing([c, a, b, c]) == [c, b]
    store.discard([a, b])  # b was never there
    assert store.missing([a, b]) == [a, b]
    assert list(store.folder.iterdir()) == []


class Bomb:
    """Goes off when unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (builtins.exec, ("raise SystemExit('a pickle was loaded')",))


def break_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def break_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5])


def break_tail(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def break_empty(path: Path) -> None:
    path.write_bytes(b"")


def break_garbage(path: Path) -> None:
    path.write_bytes(b"\xff" * 1000)


def break_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Bomb()))


def break_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage", [break_half, break_header, break_tail, break_empty, break_garbage, break_pickle, break_folder]
)
def test_a_broken_file_counts_as_missing(store: TrialStore, damage: Any) -> None:
    good, bad = make_trial(0), make_trial(1)
    store.write(dict(trial_files([good, bad], trained([good, bad]), {})))
    damage(store.path(bad))
    assert store.missing([good, bad]) == [bad]


def test_a_broken_file_is_trained_again(store: TrialStore) -> None:
    trials = [make_trial(0), make_trial(1)]
    run_trials(trials, store, workers=1)
    whole = store.path(trials[1]).read_bytes()
    break_half(store.path(trials[1]))
    run_trials(trials, store, workers=1)
    assert store.missing(trials) == []
    assert len(store.path(trials[1]).read_bytes()) == len(whole)


def rename_tensor(tensors: dict[str, Any], noted: dict[str, str]) -> None:
    tensors["weights"] = tensors.pop("recorded_at")


def forget_note(tensors: dict[str, Any], noted: dict[str, str]) -> None:
    noted.clear()


def note_nonsense(tensors: dict[str, Any], noted: dict[str, str]) -> None:
    noted["trial"] = "[1, 2"


def note_another_seed(tensors: dict[str, Any], noted: dict[str, str]) -> None:
    noted["trial"] = noted["trial"].replace('"seed": 1', '"seed": 7')


def note_another_rate(tensors: dict[str, Any], noted: dict[str, str]) -> None:
    noted["trial"] = noted["trial"].replace('"steps": 12', '"steps": 13')


def record_in_another_shape(tensors: dict[str, Any], noted: dict[str, str]) -> None:
    tensors["recorded_at"] = tensors["recorded_at"][None]


@pytest.mark.parametrize(
    "change",
    [rename_tensor, forget_note, note_nonsense, note_another_seed, note_another_rate, record_in_another_shape],
)
def test_a_foreign_file_under_the_name_of_a_trial_is_trained_again(store: TrialStore, change: Any) -> None:
    trials = [make_trial(0), make_trial(1)]
    run_trials(trials, store, workers=1)
    path = store.path(trials[1])
    with safe_open(path, framework="pt") as file:
        tensors, noted = {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata())  # noqa: SIM118
    before = load_file(path)
    change(tensors, noted)
    save_file(tensors, path, noted)
    assert store.missing(trials) == [trials[1]]
    assert store.read(trials) is None
    run_trials(trials, store, workers=1)
    assert store.missing(trials) == []
    assert all(torch.equal(tensor, before[name]) for name, tensor in load_file(path).items())


def test_the_file_of_another_trial_is_not_the_trials(store: TrialStore) -> None:
    one, other = make_trial(0), make_trial(1)
    run_trials([one], store, workers=1)
    store.path(other).write_bytes(store.path(one).read_bytes())
    assert store.missing([one, other]) == [other]


def test_weights_of_another_shape_are_refused_in_one_line(store: TrialStore) -> None:
    trial = make_trial(0)
    run_trials([trial], store, workers=1)
    with safe_open(store.path(trial), framework="pt") as file:
        tensors, noted = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    tensors["weight/W_O"] = tensors["weight/W_O"][:1]
    save_file(tensors, store.path(trial), noted)
    with pytest.raises(StorageFailed, match="not of their trials") as told:
        store.load([trial])
    assert "\n" not in str(told.value)


def test_an_earlier_version_noted_fewer_settings(store: TrialStore) -> None:
    trial = make_trial(0)
    noted = trial.model_dump(mode="json")
    del noted["evaluation"]["prompts"]
    assert is_file_of(
        trial,
        {"trial": json.dumps(noted)},
        {**dict.fromkeys(("stopped_at", "diverged_at"), torch.tensor(1)), "recorded_at": torch.tensor([0])},
    )


def test_nothing_is_pickled_or_unpickled(store: TrialStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_arguments: Any, **_settings: Any) -> None:
        raise AssertionError("a pickle")

    for owner, name in ((pickle, "load"), (pickle, "loads"), (pickle, "dump"), (pickle, "dumps"), (torch, "load")):
        monkeypatch.setattr(owner, name, forbidden)
    monkeypatch.setattr(torch, "save", forbidden)
    monkeypatch.setattr(pickle, "Unpickler", forbidden)
    trials = [make_trial(0), make_trial(1)]
    run_trials(trials, store, workers=1)
    assert len(list(load_groups(trials, store))) == 1


# A run of the first kind meets its target at step 0, one of the second later, one of the third never.
EARLY, LATE, NEVER = 5.0, 0.9, 1e-9


def test_runs_that_end_early_are_trimmed_on_disk_and_padded_in_memory(store: TrialStore) -> None:
    targets = (EARLY, LATE, NEVER)
    trials = [make_trial(seed, steps=200, every=5, target_risk=target) for seed, target in enumerate(targets)]
    state = trained(trials)
    store.write(dict(trial_files(trials, state, {})))
    group = store.load(trials)
    early, late, never = group.stopped_at
    assert (early, never) == (0, -1)
    assert 0 < late < 200
    assert late % 5 == 0
    assert list(group.recorded_at) == list(range(0, 201, 5))
    risk = group.trajectory["in-domain/hinge_risk"]
    kept = torch.isfinite(risk).sum(dim=1).tolist()
    assert kept == [1, late // 5 + 1, 41]
    assert risk[1, kept[1] - 1] <= LATE < risk[1, kept[1] - 2]
    assert torch.isnan(risk[1, kept[1] :]).all()
    for trial, count in zip(trials, kept, strict=True):
        with safe_open(store.path(trial), framework="pt") as file:
            assert file.get_tensor("recorded_at").shape == (count,)
            assert file.get_tensor("record/in-domain/hinge_risk").shape == (count,)
            assert file.get_tensor("record/in-domain/feature_cosine").shape == (count, 12)
    # The run that never started has the weights it began with.
    assert torch.equal(group.model.runs([0]).W_O, group.model.untrained().runs([0]).W_O)
    assert not torch.equal(group.model.runs([1]).W_O, group.model.untrained().runs([1]).W_O)
    # Loaded alone, nothing is padded.
    assert list(store.load(trials[1:2]).recorded_at) == list(range(0, late + 1, 5))


def test_runs_that_diverge_are_noted(store: TrialStore) -> None:
    # A step size of 1e30 drives the weights, and then the loss, out of range within a few steps.
    trials = [make_trial(0, learning_rate=1e30), make_trial(1)]
    run_trials(trials, store, workers=1)
    group = store.load(trials)
    assert group.diverged_at[0] > 0
    assert group.diverged_at[1] == -1
    rows = group.rows(arm="trained", x=[1.0, 2.0])
    assert rows["diverged_at"].to_list() == [group.diverged_at[0], None]
    assert torch.isnan(group.trajectory["in-domain/hinge_risk"][0, -1])


def test_groups_hold_equal_shapes_and_not_too_many() -> None:
    trials = [make_trial(seed, steps=steps) for seed in range(20) for steps in (12, 16)]
    groups = list(groups_of(trials))
    assert sorted(len(group) for group in groups) == [4, 4, 16, 16]
    assert all(len({trial.shape for trial in group}) == 1 for group in groups)
    assert {trial.hash for group in groups for trial in group} == {trial.hash for trial in trials}
    assert list(groups_of([])) == []
