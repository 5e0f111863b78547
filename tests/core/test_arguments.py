"""One line for an argument of the wrong kind: what was expected, and what was got."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from iclscope.core.arguments import (
    boolean,
    brief,
    expect,
    expect_instance,
    list_of,
    one_of,
    real_number,
    seeds_from,
    whole_number,
)
from iclscope.core.errors import BadRequest


class Opinion:
    pass


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2", "'2'"),
        (4, "4"),
        (None, "None"),
        (True, "True"),
        (Opinion(), "an Opinion"),
        (Opinion, "the class Opinion"),
        (torch.zeros(3), "a Tensor"),
        (torch.tensor(3.0), "a Tensor"),
        ([], "an empty list"),
        ((), "an empty tuple"),
        ([1], "a list"),
        ("a\nb", "'a\\nb'"),
    ],
)
def test_what_was_given_is_told_in_a_few_words(value: Any, text: str) -> None:
    assert brief(value) == text


def test_a_long_value_is_cut_to_a_line() -> None:
    assert len(brief("x" * 10_000)) < 100
    assert "\n" not in brief("\n" * 50)


def test_a_refusal_says_what_was_expected_what_was_got_and_what_to_do() -> None:
    expect(True, "model", 3, "a model")
    with pytest.raises(BadRequest, match=r"^model: expected a model, got 3$"):
        expect(False, "model", 3, "a model")
    with pytest.raises(BadRequest, match=r"^model: expected a model, got 3; make one$"):
        expect(False, "model", 3, "a model", "make one")
    with pytest.raises(BadRequest, match=r"^probe: expected a int or float, got '2'$"):
        expect_instance("probe", "2", (int, float))


@pytest.mark.parametrize("value", [4, np.int64(4), torch.tensor(4), np.array(4)])
def test_whole_numbers_of_other_libraries_become_pythons(value: Any) -> None:
    assert type(whole_number("steps", value)) is int
    assert whole_number("steps", value, least=4) == 4


@pytest.mark.parametrize("value", [True, np.True_, torch.tensor(True), 2.0, "2", None, [2], math.nan, np.float64(2)])
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(BadRequest, match=r"^steps: expected a whole number, got "):
        whole_number("steps", value, least=0)


def test_a_whole_number_may_be_too_small() -> None:
    with pytest.raises(BadRequest, match=r"^steps: expected at least 1, got 0$"):
        whole_number("steps", 0, least=1)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), torch.tensor(0.5), np.array(0.5), np.float64(0.5)])
def test_numbers_of_other_libraries_become_pythons(value: Any) -> None:
    assert type(real_number("rate", value)) is float
    assert real_number("rate", value) == 0.5


@pytest.mark.parametrize("value", ["0.5", True, None, [0.5], 1j, torch.tensor(True)])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(BadRequest, match=r"^rate: expected a number, got "):
        real_number("rate", value)


def test_truth_is_true_or_false_and_no_text() -> None:
    assert boolean("decay", True) is True
    assert boolean("decay", np.False_) is False
    for value in ("no", 1, 0, None, "False"):
        with pytest.raises(BadRequest, match=r"^decay: expected True or False, got "):
            boolean("decay", value)


def test_a_word_is_one_of_those_allowed() -> None:
    one_of("loss", "hinge", ("hinge", "squared"))
    for value in ("mse", None, ["hinge"], 3):
        with pytest.raises(BadRequest, match=r"^loss: expected 'hinge' or 'squared', got "):
            one_of("loss", value, ("hinge", "squared"))


def test_a_text_is_no_list_of_its_letters() -> None:
    assert list_of("names", ("a", "b"), "names") == ["a", "b"]
    assert list_of("lengths", range(2), "lengths") == [0, 1]
    assert list_of("rates", np.array([0.5]), "rates") == [0.5]
    for value in ("3-NN", b"ab", 4, None, torch.tensor(4)):
        with pytest.raises(BadRequest, match=r"^names: expected a list of names, got "):
            list_of("names", value, "names")


@pytest.mark.parametrize(
    ("value", "seeds"),
    [
        (3, (0, 1, 2)),
        (np.int64(2), (0, 1)),
        ([7, 3], (7, 3)),
        (range(2, 4), (2, 3)),
        (np.array([5, 6]), (5, 6)),
        (torch.tensor([4]), (4,)),
        ((np.int64(9),), (9,)),
    ],
)
def test_seeds_are_a_number_or_a_list(value: Any, seeds: tuple[int, ...]) -> None:
    found = seeds_from(value)
    assert found == seeds
    assert all(type(seed) is int for seed in found)


@pytest.mark.parametrize(
    "value", ["2", "23", 2.0, True, None, 0, -1, [], ["2"], [1.5], [True], {"a": 1}, torch.nn.Linear]
)
def test_other_seeds_are_refused(value: Any) -> None:
    with pytest.raises(BadRequest, match=r"^seeds(: expected | = )") as refusal:
        seeds_from(value)
    assert "\n" not in str(refusal.value)
