"""Names that last: a trial of an earlier version has the name that it had, whatever fields have come since.

`golden_names.json` holds, as version 0.3.0 wrote them before the package was laid out in rooms, the fields of every
class that a trial or a test is made of, and trials and tests of every kind with their names. What stands there never
changes. What is new is added by hand: a new kind with its fields and a trial, a new field with its neutral value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from iclscope.core.registry import MODELS, OURS, TASKS
from iclscope.core.settings import Settings, named_settings
from iclscope.execution.units import PlannedTest
from iclscope.tasks.known import task_from_settings
from iclscope.training.trial import Evaluation, Training, Trial

GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("golden_names.json").read_text(encoding="utf-8"))


def ours(registry: Any) -> dict[str, Any]:
    return {name: registry.get(name) for name in registry.names() if registry.entry(name).distribution == OURS}


def settings_in(annotation: Any) -> Iterator[type[Settings]]:
    """The classes of settings in an annotation, and in the fields of these."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
        for field in annotation.model_fields.values():
            yield from settings_in(field.annotation)
    for part in get_args(annotation):
        yield from settings_in(part)


def classes() -> set[type[Settings]]:
    """Every class of ours whose fields are part of a name."""
    roots = (Trial, *ours(TASKS).values(), *(model.config_type for model in ours(MODELS).values()))
    return {one for root in roots for one in settings_in(root) if one.model_fields}


@pytest.mark.parametrize("settings", sorted(classes(), key=lambda one: one.__name__))
def test_a_new_field_says_where_it_changes_nothing(settings: type[Settings]) -> None:
    name, known = settings.__name__, GOLDEN["fields"].get(settings.__name__, [])
    new = [field for field in settings.model_fields if field not in known]
    assert new == list(settings.neutral_values), (
        f"{name} has the new fields {new}, which would give all its trials new names: name each in "
        f"{name}.neutral_values with the value at which numbers are as before, and in golden_names.json; "
        "if there is no such value, raise SCIENCE_VERSION. All fields of a new class go into golden_names.json"
    )
    assert set(known) <= settings.model_fields.keys(), f"{name} lacks fields that are part of names"
    told = {f"{name}.{field}": value for field, value in settings.neutral_values.items()}
    frozen = {field: value for field, value in GOLDEN["neutral"].items() if field.startswith(f"{name}.")}
    assert told == frozen, f"neutral values of {name} are part of names: golden_names.json has {frozen}"


@pytest.mark.parametrize("kept", GOLDEN["trials"], ids=lambda kept: kept["name"])
def test_trials_keep_their_names(kept: dict[str, Any]) -> None:
    assert Trial(**kept["trial"]).hash == kept["name"]


@pytest.mark.parametrize("kept", GOLDEN["tests"], ids=lambda kept: kept["name"])
def test_tests_keep_their_names(kept: dict[str, Any]) -> None:
    task = task_from_settings(kept["task"])
    assert PlannedTest("any", task, kept["prompts"], {}).hash == kept["name"]


def test_every_kind_has_a_trial_whose_name_is_kept() -> None:
    trials = [Trial(**kept["trial"]) for kept in GOLDEN["trials"]]
    assert {trial.task.kind for trial in trials} == set(ours(TASKS))
    assert {trial.model.kind for trial in trials} == set(ours(MODELS))
    assert {kept["task"]["kind"] for kept in GOLDEN["tests"]} == set(ours(TASKS))
    used = {type(trial.training.schedule).__name__ for trial in trials if trial.training.schedule is not None}
    assert {one.__name__ for one in settings_in(Training)} == {"Training"} | used


def test_a_field_is_left_out_at_its_neutral_value_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """At any depth: here it stands in a test within a trial's evaluation, and in the trial's task."""
    trial = next(one for one in (Trial(**kept["trial"]) for kept in GOLDEN["trials"]) if one.evaluation.on)
    length = trial.task.length
    monkeypatch.setattr(type(trial.task), "neutral_values", {"length": length})
    on = {"same": trial.task, "shorter": trial.task.replace(length=length - 1)}
    tested = Trial(task=trial.task, model=trial.model, training=trial.training, evaluation=Evaluation(on=on))
    named = named_settings(tested)
    assert "length" not in named["task"]
    assert "length" not in named["evaluation"]["on"]["same"]
    assert named["evaluation"]["on"]["shorter"]["length"] == length - 1
    assert tested.model_dump(mode="json")["task"]["length"] == length
