"""Where a refused setting stands in a file, and where a misplaced one belongs."""

from __future__ import annotations

import pytest

from iclscope.core.errors import BadRequest, refused, require
from iclscope.core.refusals import nested_text
from iclscope.core.registry import TASKS
from iclscope.core.yaml_text import as_written, mapping_from_yaml
from iclscope.sweeps.file.known_settings import classes_of, takes_whole
from iclscope.sweeps.file.misplaced import qualified_name
from iclscope.sweeps.file.places import in_the_file, subject_of

BASE = {"task": {"shift": {"S1": 1.3}, "K": 0.1}, "evaluation": {"on": {"a.b": {"alpha": 1}}}}
VARY = {"task.alpha": [0.1], "task.d_X, model.d_X": [30]}
TOGETHER = [{"task.length": [5], "training.steps": [9]}]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("task.alpha", "vary.task.alpha"),
        ("model.d_X", "vary.model.d_X"),
        ("task.length[1]", "together[0].task.length[1]"),
        ("training.steps", "together[0].training.steps"),
        ("task.shift.S1", "base.task.shift.S1"),
        ("task.shift", "base.task.shift"),
        ("evaluation.on.a.b.alpha", "base.evaluation.on.a.b.alpha"),
        ("task.beta", "task.beta"),
        ("task.Kappa", "task.Kappa"),
        ("seeds", "seeds"),
    ],
)
def test_a_refusal_says_where_the_setting_stands(name: str, place: str) -> None:
    with pytest.raises(BadRequest) as raised, in_the_file(BASE, VARY, TOGETHER):
        require(False, name, 1, "2")
    assert str(raised.value) == f"{place}: expected 2, got 1"


def test_a_refusal_of_several_settings_stands_nowhere() -> None:
    for error in (
        refused("M1 + M2", 31, "30"),
        refused("(d_X, d_Y)", (1, 2), "(2, 2)"),
        BadRequest("task: M1 + M2 = 3"),
    ):
        assert subject_of(error) is None
        with pytest.raises(BadRequest) as raised, in_the_file(BASE, VARY, TOGETHER):
            raise error
        assert str(raised.value) == str(error)


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("alpha", "task.alpha"),
        ("shift.S1", "task.shift.S1"),
        ("width", "task.width"),
        ("heads", "model.heads"),
        ("steps", "training.steps"),
        ("every", "evaluation.every"),
        ("task.alhpa", "task.alhpa"),
        ("alhpa", None),
    ],
)
def test_a_setting_has_a_home(name: str, home: str | None) -> None:
    assert qualified_name(name) == home


def test_dots_are_written_as_braces() -> None:
    assert nested_text("task") == "task: …"
    assert nested_text("task.shift.S1") == "task: {shift: {S1: …}}"


PATTERNS, FEATURES = (TASKS.names().index(name) for name in ("patterns", "orthonormal_features"))


@pytest.mark.parametrize(
    ("part", "kind", "name", "whole"),
    [
        ("task", PATTERNS, "length", True),
        ("task", PATTERNS, "K", False),
        ("task", FEATURES, "K", True),
        ("task", PATTERNS, "alpha", False),
        ("task", PATTERNS, "training_tasks", False),
        ("task", PATTERNS, "shift.M1", True),
        ("task", PATTERNS, "shift.S1", False),
        ("task", PATTERNS, "shift", False),
        ("task", PATTERNS, "check_condition", False),
        ("task", PATTERNS, "nothing", False),
        ("training", 0, "steps", True),
        ("training", 0, "learning_rate", False),
        ("training", 0, "target_risk", False),
        ("evaluation", 0, "on.unseen.d_X", True),
        ("evaluation", 0, "on.unseen", False),
    ],
)
def test_whole_numbers_are_known(part: str, kind: int, name: str, whole: bool) -> None:
    assert takes_whole(classes_of(part)[kind : kind + 1], name) == whole


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0.5, 1e-5, -3, "sgd", "true", "null", "0.5", "two words", "", "a: b", "ä", "\x9b2J", "\n",
     [2, 20], [], {"S1": 1.3, "rows": [[1.0, 0.5]]}, {"kind": "gpt2", "name": "no"}],
)  # fmt: skip
def test_a_value_is_written_as_a_file_would_say_it(value: object) -> None:
    text = as_written(value)
    assert text.isprintable()
    assert mapping_from_yaml(f"key: {text}") == {"key": value}
