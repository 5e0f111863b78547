"""Axes and designs: how many points there are, that they lie where they should, and that they never change."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iclscope.core.errors import BadRequest
from iclscope.sweeps.file.axes import Range, Values, axes_from
from iclscope.sweeps.file.designs import Design, Grid, RandomDesign, SobolDesign, design_from, number_of_points

NAMES = ("task.alpha", "task.beta", "model.width", "training.steps")
DRAWN = ("random", "sobol")


def a_range(**settings: Any) -> Range:
    return Range(**{{"least": "from", "most": "to"}.get(name, name): value for name, value in settings.items()})


lists = st.lists(st.integers(-50, 50), min_size=1, max_size=6, unique=True)
counted = st.builds(
    lambda least, width, count: {"from": least, "to": least + width, "count": count},
    st.floats(-10, 10), st.floats(0.1, 10), st.integers(2, 7),
)  # fmt: skip
ends = st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)).filter(lambda pair: pair[0] < pair[1])
whole_ends = st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)).filter(lambda pair: pair[0] < pair[1])
spacings = st.sampled_from(["linear", "log"])


@given(st.lists(st.one_of(lists, counted), min_size=0, max_size=4))
def test_a_grid_has_the_product_of_all_sizes(values: list[Any]) -> None:
    axes = axes_from(dict(zip(NAMES, values, strict=False)))
    sizes = [len(one) if isinstance(one, list) else one["count"] for one in values]
    points = list(Grid().points(axes))
    assert Grid().count(axes) == math.prod(sizes) == len(points)
    assert len({tuple(point.items()) for point in points}) == len(points)
    assert points == [
        dict(zip(NAMES, combination, strict=False))
        for combination in itertools.product(*([axis.at(i)[name] for i in range(axis.size or 0)]
                                               for axis, name in zip(axes, NAMES, strict=False)))
    ]  # fmt: skip


def test_the_last_axis_of_a_grid_changes_fastest() -> None:
    points = Grid().points(axes_from({"task.alpha": [0.1, 0.2], "task.beta": [1, 2, 3]}))
    assert [tuple(point.values()) for point in points] == [(0.1, 1), (0.1, 2), (0.1, 3), (0.2, 1), (0.2, 2), (0.2, 3)]


def test_a_grid_is_counted_without_being_made() -> None:
    axes = axes_from({name: {"from": 0.0, "to": 1.0, "count": 10**18} for name in NAMES})
    assert Grid().count(axes) == 10**72
    assert next(Grid().points(axes_from({"task.alpha": [1]}))) == {"task.alpha": 1}


def test_settings_with_commas_between_them_have_the_same_value() -> None:
    axes = axes_from({"task.d_X, model.d_X": [5, 10]})
    assert [point for point in Grid().points(axes)] == [{"task.d_X": d, "model.d_X": d} for d in (5, 10)]  # noqa: C416
    (drawn,) = RandomDesign(samples=1).points(axes_from({"task.d_X,model.d_X": {"from": 1, "to": 99, "integer": True}}))
    assert drawn["task.d_X"] == drawn["model.d_X"]


def test_settings_together_move_together() -> None:
    axes = axes_from(
        {"task.alpha": [0.1, 0.2]},
        [{"task.length": [10, 20, 40], "training.steps": [400, 200, 100], "task.K": {"from": 0, "to": 1, "count": 3}}],
    )
    assert [axis.size for axis in axes] == [2, 3]
    points = list(Grid().points(axes))
    assert [tuple(point.values()) for point in points[:3]] == [
        (0.1, 10, 400, 0),
        (0.1, 20, 200, 0.5),
        (0.1, 40, 100, 1),
    ]
    assert len(points) == 6
    pairs = {(10, 400), (20, 200), (40, 100)}
    for point in RandomDesign(samples=50).points(axes):
        assert (point["task.length"], point["training.steps"]) in pairs


@given(ends, st.integers(2, 50), spacings)
def test_a_range_goes_from_end_to_end_in_equal_steps(ends: tuple[float, float], count: int, spacing: str) -> None:
    values = a_range(least=ends[0], most=ends[1], count=count, spacing=spacing)
    numbers = [values[index] for index in range(count)]
    assert (numbers[0], numbers[-1]) == ends
    assert numbers == sorted(numbers)
    ladder = [math.log(number) for number in numbers] if spacing == "log" else numbers
    steps = [after - before for before, after in itertools.pairwise(ladder)]
    size = max(abs(ladder[0]), abs(ladder[-1]), 1.0 if spacing == "log" else 0.0)
    assert steps == pytest.approx([(ladder[-1] - ladder[0]) / (count - 1)] * (count - 1), abs=1e-10 * size)


@given(whole_ends, st.integers(2, 20), spacings)
def test_a_range_of_whole_numbers_is_rounded(ends: tuple[int, int], count: int, spacing: str) -> None:
    real = a_range(least=ends[0], most=ends[1], count=count, spacing=spacing)
    try:
        whole = a_range(least=ends[0], most=ends[1], count=count, spacing=spacing, integer=True)
    except ValueError:  # two of them would be the same
        rounded = [round(real[index]) for index in range(count)]
        assert len(set(rounded)) < count or count > ends[1] - ends[0] + 1
        return
    numbers = [whole[index] for index in range(count)]
    assert all(type(number) is int for number in numbers)
    assert len(set(numbers)) == count
    assert all(abs(number - real[index]) <= 0.5 + 1e-6 for index, number in enumerate(numbers))


def test_a_range_says_what_a_list_would_say() -> None:
    """Ten steps of 0.1 are the numbers that one writes, so trials of a list and of a range have equal hashes."""
    tenths = a_range(least=0.1, most=1, count=10)
    assert [tenths[index] for index in range(10)] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    decades = a_range(least=1e-4, most=1, count=5, spacing="log")
    assert [decades[index] for index in range(5)] == [1e-4, 1e-3, 1e-2, 1e-1, 1.0]


@pytest.mark.parametrize("kind", DRAWN)
@given(ends=ends, spacing=spacings, seed=st.integers(0, 2**63 - 1))
def test_drawn_numbers_lie_in_the_range(kind: str, ends: tuple[float, float], spacing: str, seed: int) -> None:
    axes = axes_from({"task.alpha": {"from": ends[0], "to": ends[1], "spacing": spacing}, "task.beta": [1, "x", None]})
    design = design_from({"kind": kind, "samples": 32, "seed": seed})
    points = list(design.points(axes))
    assert len(points) == design.count(axes) == 32
    for point in points:
        assert ends[0] <= point["task.alpha"] <= ends[1]
        assert point["task.beta"] in [1, "x", None]


@pytest.mark.parametrize("kind", DRAWN)
@given(ends=whole_ends, spacing=spacings)
def test_drawn_whole_numbers_lie_in_the_range(kind: str, ends: tuple[int, int], spacing: str) -> None:
    about = {"from": ends[0], "to": ends[1], "spacing": spacing, "integer": True}
    for point in design_from({"kind": kind, "samples": 16}).points(axes_from({"task.length": about})):
        assert type(point["task.length"]) is int
        assert ends[0] <= point["task.length"] <= ends[1]


@pytest.mark.parametrize("kind", DRAWN)
def test_every_value_is_as_likely(kind: str) -> None:
    """Both ends of a range of whole numbers included; rounding would give them half."""
    design = design_from({"kind": kind, "samples": 4096})
    points = list(design.points(axes_from({"a.b": {"from": 1, "to": 4, "integer": True}, "a.c": list("wxyz")})))
    slack = 2 if kind == "sobol" else 4 * math.sqrt(4096 * 3 / 16)
    for name in ("a.b", "a.c"):
        counts = [sum(point[name] == value for point in points) for value in {point[name] for point in points}]
        assert counts == pytest.approx([1024] * 4, abs=slack)


@pytest.mark.parametrize("kind", DRAWN)
def test_log_draws_have_equal_ratios(kind: str) -> None:
    design = design_from({"kind": kind, "samples": 4096})
    points = design.points(axes_from({"a.b": {"from": 0.01, "to": 100, "spacing": "log"}}))
    decades = [math.floor(math.log10(point["a.b"])) for point in points]
    assert [decades.count(decade) for decade in range(-2, 2)] == pytest.approx(
        [1024] * 4, abs=2 if kind == "sobol" else 120
    )


@pytest.mark.parametrize("kind", DRAWN)
def test_the_first_of_more_points_are_those_of_fewer(kind: str) -> None:
    axes = axes_from({"a.b": {"from": 0, "to": 1}, "a.c": {"from": 0, "to": 1}})
    few, many = (list(design_from({"kind": kind, "samples": n, "seed": 3}).points(axes)) for n in (16, 8192))
    assert many[:16] == few
    others = list(design_from({"kind": kind, "samples": 16, "seed": 4}).points(axes))
    assert not {point["a.b"] for point in few} & {point["a.b"] for point in others}


def test_sobol_fills_the_square_evenly() -> None:
    """256 points, 16 × 16 squares: the shift may push a point over an edge, random points leave a third empty."""
    axes = axes_from({"a.b": {"from": 0, "to": 1}, "a.c": {"from": 0, "to": 1}})

    def empty(design: Design) -> int:
        points = design.points(axes)
        return 256 - len({(int(point["a.b"] * 16), int(point["a.c"] * 16)) for point in points})

    assert empty(RandomDesign(samples=256)) > 70
    assert empty(SobolDesign(samples=256)) < 70


def test_designs_do_not_change_with_versions() -> None:
    """A sweep that is run again elsewhere must find the trials of its store: these numbers are part of the format."""
    axes = axes_from({"a.b": {"from": 0, "to": 1}, "a.c": {"from": 1, "to": 100, "spacing": "log"}})
    first = {kind: list(design_from({"kind": kind, "samples": 2, "seed": 7}).points(axes)) for kind in DRAWN}
    assert first == {
        "random": PINNED_RANDOM,
        "sobol": PINNED_SOBOL,
    }


PINNED_RANDOM: list[dict[str, float]] = [
    {"a.b": 0.637582237847, "a.c": 1.4710126408},
    {"a.b": 0.147402530341, "a.c": 13.3370961322},
]
PINNED_SOBOL: list[dict[str, float]] = [
    {"a.b": 0.210051561479, "a.c": 1.37946949116},
    {"a.b": 0.710051561479, "a.c": 13.7946949116},
]


def test_values_keep_their_types() -> None:
    values = Values(values=[1, 1.5, "x", None, True, [1, 2], {"S1": 1.3}])
    assert [values[index] for index in range(values.size)] == [1, 1.5, "x", None, True, [1, 2], {"S1": 1.3}]


LISTS = {"a.b": [1, 2], "a.c": [1, 2, 3, 4, 5, 6]}
WHOLE = {"from": 1, "to": 2, "integer": True}


@pytest.mark.parametrize(
    ("vary", "together", "points"),
    [
        ({"a.b": [1, 2]}, [], 2),
        (LISTS, [], 12),
        ({"a.b": {"from": 0, "to": 1, "count": 5}}, [], 5),
        ({"a.b": WHOLE}, [], 2),
        ({"a.b": WHOLE, "a.c": [1, 2, 3]}, [], 6),
        ({"a.b,a.d": [1, 2, 3]}, [], 3),
        ({}, [{"a.b": [1, 2, 3], "a.c": [4, 5, 6]}], 3),
        ({}, [{"a.b": WHOLE, "a.c": {"from": 5, "to": 9, "integer": True}}], 6),
        ({"a.b": {"from": 1, "to": 2}}, [], None),
        ({"a.b": {"from": 1, "to": 2}, "a.c": [1]}, [], None),
        ({}, [{"a.b": WHOLE, "a.c": {"from": 5, "to": 9}}], None),
    ],
)
def test_how_many_points_can_be_drawn(vary: Any, together: Any, points: int | None) -> None:
    axes = axes_from(vary, together)
    assert number_of_points(axes) == points
    drawn = {tuple(point.values()) for point in RandomDesign(samples=300).points(axes)}
    assert len(drawn) == 300 if points is None else len(drawn) <= points


@pytest.mark.parametrize("kind", DRAWN)
@pytest.mark.parametrize("vary", [{"a.b": [1, 2]}, {"a.b": WHOLE}, {"a.b": {"from": 0, "to": 1, "count": 2}}])
def test_more_samples_than_points_are_refused(kind: str, vary: Any) -> None:
    axes = axes_from(vary)
    with pytest.raises(BadRequest, match=r"^design\.samples: expected at most 2, all the points there"):
        design_from({"kind": kind, "samples": 8}).check(axes)


@pytest.mark.parametrize("kind", DRAWN)
def test_points_drawn_a_second_time_are_told(kind: str) -> None:
    axes = axes_from(LISTS)
    design = design_from({"kind": kind, "samples": 8, "seed": 1})
    again = 8 - len({tuple(point.values()) for point in design.points(axes)})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        design.check(axes)
    assert len(told) == (again > 0)
    assert not again or f"{again} of the 8 {kind} points" in str(told[0].message)
    assert again or kind == "sobol", "this seed of the random design draws some of 12 points again"


def test_a_range_without_an_end_of_points_is_never_exhausted() -> None:
    for kind in DRAWN:
        design_from({"kind": kind, "samples": 1024}).check(axes_from({"a.b": {"from": 0, "to": 1}}))
    # Not drawn one by one before their number is refused.
    axes = axes_from({"a.b": {"from": 1, "to": 10**15, "integer": True}})
    RandomDesign(samples=10**12).check(axes)
