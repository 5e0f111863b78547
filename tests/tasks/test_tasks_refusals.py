"""Every bad setting is refused when it is made, in a message that names it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError
from refusals import says

from iclscope.core.errors import BadRequest, require, require_finite
from iclscope.tasks import PatternClassification, PatternSampler, PatternShift

NAN, INF = math.nan, math.inf
PAIR = ((0.6, 0.8, 0, 0, 0, 0), (0, 0, 1, 0, 0, 0))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        *[({"alpha": value}, "alpha") for value in (-0.1, 1.1, NAN, INF, -INF, "half")],
        *[({"beta": value}, "beta") for value in (0, -1, NAN, INF)],
        *[({"q_norm": value}, "q_norm") for value in (0, -1, NAN, INF)],
        *[({"K": value}, "K") for value in (-0.5, NAN, INF)],
        ({"M1": 2}, "M1"),
        ({"M1": 3.5}, "M1"),
        ({"M2": 0}, "M2"),
        ({"M1": 6, "M2": 25}, r"M1 \+ M2: expected .*d_X = 30.*, got 31"),
        ({"d_X": 29}, r"M1 \+ M2: expected .*d_X = 29.*, got 30"),
        ({"d_Y": 0}, "d_Y"),
        *[({"length": value}, "length") for value in (-1, -3, (5, 2), (-1, 5), (1, 2, 3), 2.5, NAN)],
        ({"context": "sometimes"}, "context"),
        ({"tasks": "some"}, "tasks"),
        ({"training_tasks": "some"}, "training_tasks"),
        ({"training_tasks": 0.3}, "training_tasks = 0.3.*0.2000|training_tasks = 0.3.*0.4000"),
        ({"training_tasks": NAN}, "training_tasks"),
        ({"tasks": "unseen", "training_tasks": "all"}, "tasks: expected .*no task is left.*, got 'unseen'"),
        ({"tasks": "unseen", "training_tasks": 1.0}, "tasks: expected .*no task is left.*, got 'unseen'"),
        ({"M1": 3, "tasks": "unseen", "training_tasks": 1.0}, "tasks: expected .*no task is left.*, got 'unseen'"),
        ({"no_such_setting": 1}, "no_such_setting"),
    ],
)
def test_bad_task_settings(settings: dict[str, Any], named: str) -> None:
    with pytest.raises((BadRequest, ValidationError), match=named):
        PatternClassification(**settings)


@pytest.mark.parametrize(
    ("shift", "named"),
    [
        *[({"S1": value}, "S1") for value in (1.5, -1.5, NAN, INF)],
        ({}, "exactly one of S1, coefficients"),
        ({"S1": 1.0, "coefficients": PAIR}, "exactly one of S1, coefficients"),
        ({"S1": 1.0, "K": -0.1}, "K"),
        ({"S1": 1.0, "K": NAN}, "K"),
        ({"S1": 1.0, "K": INF}, "K"),
        ({"S1": 1.0, "irrelevant": "both"}, "irrelevant"),
        ({"coefficients": PAIR[:1]}, "coefficients"),
        ({"coefficients": ((1.0, 0.0), (0.0, 1.0, 0.0))}, "coefficients.*equal length"),
        ({"coefficients": ((1.0, NAN), (0.0, 1.0)), "strict": False}, "coefficients"),
        ({"coefficients": ((1.0, 0.1), (0.0, 1.0))}, "norm of a coefficient row"),
        ({"coefficients": ((0.6, 0.8), (0.8, 0.6))}, "inner product of coefficient rows"),
        ({"coefficients": PAIR, "M1": 3}, "M1.*2, the number of coefficient rows"),
        ({"S1": 1.0, "no_such_setting": 1}, "no_such_setting"),
    ],
)
def test_bad_shifts(shift: dict[str, Any], named: str) -> None:
    with pytest.raises((BadRequest, ValidationError), match=named):
        PatternShift(**shift)


@pytest.mark.parametrize(
    ("shift", "task", "named"),
    [
        ({"S1": 1.0, "M1": 2}, {"alpha": 0.8}, "alpha.*2 shifted patterns"),
        ({"S1": 1.0}, {"M1": 4, "alpha": 0.8}, "alpha.*2 shifted patterns"),
        ({"S1": 1.0}, {"M1": 3}, "shift.M1"),
        ({"S1": 1.0, "M1": 4}, {}, r"shift.M1: expected .*2 … 3.*, got 4"),
        ({"S1": 1.0, "M1": 1}, {}, r"shift.M1: expected .*, got 1"),
        ({"S1": 1.0, "M2": 25}, {}, r"shift.M2 \(inside\): expected .*1 … 24.*, got 25"),
        ({"S1": 1.0, "M2": 0}, {}, r"shift.M2 \(inside\): expected .*, got 0"),
        ({"S1": 1.0, "irrelevant": "outside"}, {}, r"shift.M2 \(outside\): expected .*1 … 0.*, got 24"),
        ({"S1": 1.0, "irrelevant": "outside", "M2": 4}, {"M2": 21}, r"shift.M2 \(outside\): expected .*1 … 3.*, got 4"),
        ({"coefficients": PAIR}, {"M1": 5, "alpha": 1.0}, "coefficient row: expected .*M1 = 5.*, got 6"),
    ],
)
def test_shifts_that_do_not_fit_their_task(shift: dict[str, Any], task: dict[str, Any], named: str) -> None:
    with pytest.raises((BadRequest, ValidationError), match=named):
        PatternClassification(**task, shift=PatternShift(**shift))


@pytest.mark.parametrize(
    ("irrelevant", "room"),
    [("inside", "1 … 3, the dimensions of span{ν}"), ("outside", "1 … 5, the dimensions outside all patterns")],
)
def test_where_a_shift_has_no_room_is_told(irrelevant: Any, room: str) -> None:
    """Of 12 dimensions three are those of ν, four those of μ, and five are free."""
    last = int(room[4])
    PatternShift(S1=1.0, M2=last, irrelevant=irrelevant).check_room(4, 3, 12)
    with pytest.raises(BadRequest) as refused:
        PatternShift(S1=1.0, M2=last + 1, irrelevant=irrelevant).check_room(4, 3, 12)
    assert says(str(refused.value), f"shift.M2 ({irrelevant}): expected {room} with d_X = 12")


def test_the_edges_are_allowed() -> None:
    PatternClassification(alpha=0.0)
    PatternClassification(alpha=1.0, K=0.0, length=1)
    PatternClassification(length=0)
    PatternClassification(length=(0, 5), context="exact")
    PatternClassification(M1=3, M2=1, d_X=4, d_Y=1, length=(1, 1))
    PatternClassification(alpha=1.0, shift=PatternShift(S1=1.0, M1=2))
    PatternClassification(M2=21, shift=PatternShift(S1=math.sqrt(2), irrelevant="outside", M2=3))
    PatternClassification(shift=PatternShift(S1=-math.sqrt(2), M2=1, K=0.0))


def test_settings_are_frozen_and_replace_checks_again() -> None:
    task = PatternClassification()
    with pytest.raises(ValidationError, match="frozen"):
        task.alpha = 0.5  # type: ignore[misc]
    assert task.replace(alpha=0.5) == PatternClassification(alpha=0.5)
    assert task.alpha == 0.8
    with pytest.raises((BadRequest, ValidationError), match="alpha"):
        task.replace(alpha=2)
    with pytest.raises((BadRequest, ValidationError), match="M1"):
        task.replace(M1=10)


def test_a_setting_survives_json() -> None:
    task = PatternClassification(
        length=(3, 7), training_tasks=((0, 1), (1, 0)), check_condition=False, shift=PatternShift(S1=1.1, M2=4)
    )
    assert PatternClassification.model_validate_json(task.model_dump_json()) == task


def test_tasks_that_cannot_be_sampled_together_are_refused() -> None:
    task = PatternClassification()
    with pytest.raises(BadRequest, match="one per seed, 2"):
        PatternSampler([task], [0, 1])
    with pytest.raises(BadRequest, match="one per seed, 0"):
        PatternSampler([], [])
    for other in ({"length": 19}, {"M2": 20}, {"context": "exact"}, {"shift": PatternShift(S1=1.0)}):
        with pytest.raises(BadRequest, match="equal shapes"):
            PatternSampler([task, task.replace(**other)], [0, 1])


def test_refusals_are_one_line_with_option_value_and_what_is_allowed() -> None:
    with pytest.raises(BadRequest, match=r"^steps: expected at least 0, got -1$"):
        require(False, "steps", -1, "at least 0")
    require(True, "steps", -1, "at least 0")
    require_finite([("a", 1.0), ("b", None)])
    with pytest.raises(BadRequest, match=r"^b: expected a finite number, got nan$"):
        require_finite([("a", 1.0), ("b", NAN)])
    assert issubclass(BadRequest, ValueError)
