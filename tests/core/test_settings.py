"""Equal settings are written alike, whatever zero or number they were given as."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import Field, ValidationError

from iclscope.core.errors import BadRequest
from iclscope.core.settings import Settings, without_negative_zero
from iclscope.tasks import LinearRegression, PatternClassification, PatternShift
from iclscope.training.trial import Trial


class Example(Settings):
    number: float = 0.0
    several: tuple[float, ...] = ()
    deeper: dict[str, list[float]] = Field(default_factory=dict)
    inner: LinearRegression | None = None
    any_of_these: int | float = 1


def is_negative(value: float) -> bool:
    return math.copysign(1.0, value) < 0


def test_there_is_one_zero() -> None:
    found = Example(number=-0.0, several=(-0.0, -1.0), deeper={"a": [-0.0]}, inner=LinearRegression(noise=-0.0))
    assert found.inner is not None
    zeros = [found.number, found.several[0], found.deeper["a"][0], found.inner.noise]
    assert zeros == [0.0] * 4
    assert not any(map(is_negative, zeros))
    assert found.several[1] == -1.0
    assert (
        found.model_dump_json()
        == Example(number=0.0, several=(0.0, -1.0), deeper={"a": [0.0]}, inner=LinearRegression()).model_dump_json()
    )


@pytest.mark.parametrize("zero", [-0.0, 0, np.float32(-0.0), np.float64(-0.0)])
def test_every_way_to_write_a_zero_is_the_same(zero: Any) -> None:
    assert not is_negative(Example(number=zero).number)


@pytest.mark.parametrize("number", ["0", "-0.0", "0.5", False, True, np.bool_(True)])
def test_texts_and_truths_are_no_numbers(number: Any) -> None:
    with pytest.raises((BadRequest, ValidationError), match=r"number: expected a number"):
        Example(number=number)
    with pytest.raises((BadRequest, ValidationError), match=r"several.1.: expected a number"):
        Example(several=[1.0, number])
    assert Example(several=[1, 2.5]).several == (1.0, 2.5), "a list may stand for a tuple"


def test_numbers_are_no_truths() -> None:
    with pytest.raises((BadRequest, ValidationError), match="check_condition: expected"):
        PatternClassification(check_condition=1)


def test_what_a_caller_gave_is_left_as_it_is() -> None:
    given = {"a": [-0.0]}
    Example(deeper=given)
    assert is_negative(given["a"][0])
    assert without_negative_zero(("x", None, -0.0, 3)) == ("x", None, 0.0, 3)
    assert without_negative_zero("−0.0") == "−0.0"


def trial(**settings: Any) -> Trial:
    return Trial(task={"kind": "patterns", **settings})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"K": 0.0}, {"K": -0.0}),
        ({"beta": 1}, {"beta": 1.0}),
        ({"beta": np.float64(2)}, {"beta": 2}),
        ({"beta": np.float32(0.5)}, {"beta": 0.5}),
        ({"length": np.int64(20)}, {"length": 20}),
        ({"length": 20.0}, {"length": 20}),
        ({"alpha": np.float64(-0.0)}, {"alpha": 0}),
        ({"shift": {"S1": 1.0, "K": -0.0}}, {"shift": {"S1": 1, "K": 0}}),
    ],
)
def test_equal_settings_have_one_hash(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert trial(**one).hash == trial(**other).hash


def test_the_zeros_of_all_parts_of_a_trial_count_as_one() -> None:
    settings: dict[str, Any] = {"model": {"kind": "linear_attention"}, "training": {"loss": "squared"}}
    hashes = {
        Trial(
            task=LinearRegression(noise=zero),
            evaluation={"on": {"a": LinearRegression(noise=zero)}, "probes": ["squared_error"]},
            **settings,
        ).hash
        for zero in (0.0, -0.0)
    }
    assert len(hashes) == 1
    assert PatternClassification(shift=PatternShift(S1=1.0, K=-0.0)) == PatternClassification(
        shift=PatternShift(S1=1.0, K=0.0)
    )


def test_a_copy_with_changes_has_a_name_of_its_own() -> None:
    first = Trial()
    assert first.hash == first.model_copy().hash
    assert first.model_copy(update={"seed": 3}).hash == Trial(seed=3).hash != first.hash
    assert first == Trial(), "a name that was asked for makes no other trial"


def test_settings_within_settings_are_as_strict() -> None:
    with pytest.raises(BadRequest, match=r"^S1: expected a number without quotes, 1\.2, got '1\.2'$"):
        PatternClassification(shift={"S1": "1.2"})
    with pytest.raises(BadRequest, match=r"^s1 = 1: no such setting; known: S1, .*did you mean S1\?$"):
        PatternClassification(shift={"s1": 1})


def test_names_of_trials_stay() -> None:
    """A store knows its trials by these; they may change with SCIENCE_VERSION only."""
    assert Trial().hash == "045b50e686aee7eeececc7e6"
