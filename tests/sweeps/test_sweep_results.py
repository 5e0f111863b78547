"""Results read back: rows, names of settings, means and intervals, slopes; and folders that hold nothing to read."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats
from sweeps.made_results import made_rows, write_results

import iclscope
from iclscope.claims.intervals import Interval, mean_interval
from iclscope.core.errors import BadRequest
from iclscope.sweeps.results import SweepResults, load_results
from iclscope.sweeps.summary import mixture, points, section_of_test, section_of_training
from iclscope.sweeps.summary_table import summary_table
from iclscope.sweeps.sweep_slopes import sloped_settings, slopes

NOISE = np.random.default_rng(0).uniform(0.5, 1.5, (5, 1000))


def results_of(rows: pl.DataFrame, *, drawn: bool = False) -> SweepResults:
    return SweepResults(Path("made"), "made", "", drawn, rows)


def over_seeds(values: list[float], least: float = -math.inf) -> tuple[float, float, float]:
    """Mean and ends, which are never nearer than Student's by SciPy, but for what is not possible."""
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    found = mean_interval(values, least=least)
    assert found.low <= max(float(low), least) + 1e-9
    assert found.high >= float(high) - 1e-9
    return float(np.mean(values)), found.low, found.high


def assert_is(found: Interval, expected: tuple[float, float, float]) -> None:
    assert (found.value, found.low, found.high) == pytest.approx(expected)


def test_rows_load_in_one_line(tmp_path: Path) -> None:
    rows = made_rows({"task.alpha": [0.2, 0.8]}, lambda **_: {"squared_error": 1.0})
    folder = write_results(tmp_path / "odd [a-z]* name=1", rows)
    assert_frame_equal(iclscope.sweep_rows(folder), rows)
    assert_frame_equal(iclscope.sweep_rows(str(folder)), rows)


def test_columns_are_told_apart() -> None:
    rows = made_rows(
        {"model": ['{"kind": "gpt2"}'], "task.alpha": [0.2, 0.8], "test.alpha": [0.5]},
        lambda **_: {"hinge_risk": 1.0, "classification_error": 0.5},
    ).with_columns(seconds=1.0, device=pl.lit("cpu"))
    results = results_of(rows)
    assert results.settings == ("model", "task.alpha", "test.alpha")
    assert results.metrics == ("hinge_risk", "classification_error")
    assert results.tests == ("own-task",)
    assert not results.has_stopped_runs


def test_a_setting_may_be_named_by_its_end() -> None:
    settings = {"task.alpha": [1], "test.alpha": [1], "task.shift.S1": [1], "model.width": [1]}
    results = results_of(made_rows(settings, lambda **_: {"hinge_risk": 1.0}))
    named = [results.setting_named(name, "--x") for name in ("S1", "shift.S1", "width", "test.alpha")]
    assert named == ["task.shift.S1", "task.shift.S1", "model.width", "test.alpha"]
    with pytest.raises(BadRequest, match=r"^--x = 'alpha' could be task\.alpha or test\.alpha; write one of them$"):
        results.setting_named("alpha", "--x")
    for wrong in ("widht", "model.widht"):
        with pytest.raises(BadRequest, match=r"did you mean model\.width\?"):
            results.setting_named(wrong, "--x")
    with pytest.raises(BadRequest, match=r"--x: expected .*, got 'length'"):  # it is one only
        results.setting_named("length", "--x")


def test_several_context_lengths_are_a_setting() -> None:
    results = results_of(made_rows({"task.d": [5]}, lambda **_: {"squared_error": 1.0}, lengths=(1, 2)))
    assert results.setting_named("length", "--x") == "length"
    assert section_of_test(results, "own-task").settings == ("task.d", "length")


def test_a_point_has_its_mean_and_interval_over_seeds() -> None:
    rows = made_rows(
        {"task.a": [1, 2], "task.b": ["x", "y"]},
        lambda seed, task_a, task_b, **_: {"hinge_risk": NOISE[seed, task_a * 10 + (task_b == "x")]},
        seeds=5,
    )
    section = section_of_test(results_of(rows), "own-task")
    found, count = points(section, section.settings)
    assert count == 4
    assert [tuple(point.values.values()) for point in found] == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]
    for point in found:
        values = [
            float(NOISE[seed, point.values["task.a"] * 10 + (point.values["task.b"] == "x")]) for seed in range(5)
        ]
        assert_is(point.estimates["hinge_risk"], over_seeds(values, least=0.0))
        assert (point.seeds, point.diverged) == (5, 0)


def test_an_error_rate_without_errors_is_not_certain() -> None:
    section = section_of_test(
        results_of(made_rows({"task.a": [1]}, lambda **_: {"classification_error": 0.0})), "own-task"
    )
    ((point,), _) = points(section, ())
    expected = stats.binomtest(0, 3000).proportion_ci(0.95, "exact")
    assert_is(point.estimates["classification_error"], (0.0, 0.0, float(expected.high)))


def test_what_diverged_may_have_been_anything_and_is_counted() -> None:
    rows = made_rows(
        {"task.a": [1, 2]},
        lambda seed, task_a, **_: {
            "hinge_risk": math.nan if (seed, task_a) == (0, 2) else 1.0 + seed,
            "diverged_at": 7 if (seed, task_a) == (0, 2) else None,
            "stopped_at": None if seed == 1 else 100 + seed,
        },
    )
    section = section_of_test(results_of(rows), "own-task")
    (whole, part), _ = points(section, ["task.a"])
    assert (whole.diverged, whole.estimates["hinge_risk"].seeds) == (0, 3)
    assert (whole.estimates["hinge_risk"].missing, math.isfinite(whole.estimates["hinge_risk"].high)) == (0, True)
    lost = part.estimates["hinge_risk"]
    assert (part.diverged, lost.seeds, lost.missing) == (1, 3, 1)
    assert (lost.value, lost.low, lost.high) == (2.5, 0.0, math.inf)
    # Averaged over task.a, the seed has no value, not half of one.
    ((all_of_it,), _) = points(section, ())
    assert all_of_it.estimates["hinge_risk"].value == 2.5
    assert (all_of_it.seeds, all_of_it.diverged, all_of_it.estimates["hinge_risk"].missing) == (3, 1, 1)
    training = section_of_training(results_of(rows))
    assert training.rows.height == 6
    assert points(training, ["task.a"])[0][0].estimates["stopped_at"] == (101.0, 0.0, math.inf, 3, 1)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=30, unique=True)
)
def test_means_over_other_settings_agree_with_a_plain_loop(cells: list[tuple[int, int, int]]) -> None:
    """Any table, with holes."""
    rows = made_rows({"task.a": range(3), "task.b": range(4)}, lambda **_: {"squared_error": 0.0})
    value = {cell: float(NOISE[0, hash(cell) % 1000]) for cell in cells}
    kept = [tuple(row) in value for row in rows.select("task.a", "task.b", "seed").iter_rows()]
    rows = rows.filter(pl.Series(kept))
    measured = [value[row] for row in rows.select("task.a", "task.b", "seed").iter_rows()]
    section = section_of_test(results_of(rows.with_columns(squared_error=pl.Series(measured))), "own-task")
    for point in points(section, ["task.a"])[0]:
        own = {
            seed: [v for (a, _, s), v in value.items() if (a, s) == (point.values["task.a"], seed)] for seed in range(3)
        }
        means = [sum(values) / len(values) for values in own.values() if values]
        assert point.seeds == len(means)
        assert point.estimates["squared_error"].value == pytest.approx(sum(means) / len(means))


def test_a_power_has_its_exponent_as_slope() -> None:
    """Exactly −1 for seed 0; the others' exponents differ, and have their interval."""
    exponents = [-1.0, -1.1, -0.8, -1.3, -0.9]
    rows = made_rows(
        {"task.n": [1, 2, 4, 8], "task.b": ["x", "y"]},
        lambda seed, task_n, task_b, **_: {
            "squared_error": (3.0 if task_b == "x" else 7.0) * task_n ** exponents[seed]
        },
        seeds=5,
    )
    section = section_of_test(results_of(rows), "own-task")
    found, count = slopes(section, section.settings, "task.n")
    assert count == 2
    assert [slope.at for slope in found] == [{"task.b": "x"}, {"task.b": "y"}]
    for slope in found:
        assert_is(slope.of["squared_error"], over_seeds(exponents))
    alone = section._replace(rows=section.rows.filter(section.rows["seed"] == 0))
    assert slopes(alone, section.settings, "task.n")[0][0].of["squared_error"].value == pytest.approx(-1.0, abs=1e-12)


def test_a_seed_that_misses_a_point_may_have_any_slope_and_zeros_are_left_out() -> None:
    rows = made_rows(
        {"task.n": [0, 1, 2, 4, 8]},
        lambda seed, task_n, **_: {
            "squared_error": 0.0 if task_n in (0, 8) else 1.0 / task_n,
            "stopped_at": None if (seed, task_n) == (0, 8) else 100 * task_n**2,
        },
    )
    results = results_of(rows)
    ((slope,), _) = slopes(section_of_test(results, "own-task"), ["task.n"], "task.n")
    assert slope.of["squared_error"][::3] == pytest.approx((-1.0, 3))
    ((slope,), _) = slopes(section_of_training(results), ["task.n"], "task.n")
    assert slope.of["stopped_at"] == pytest.approx((2.0, -math.inf, math.inf, 3, 1))


def test_settings_that_move_together_are_not_held() -> None:
    rows = made_rows({"task.n": [1, 2, 4], "task.c": [1.0, 3.0]}, lambda task_n, task_c, **_: {
        "squared_error": task_c / task_n
    })  # fmt: skip
    rows = rows.insert_column(2, (rows["task.n"] * 10).alias("training.steps")).insert_column(
        3, rows["task.n"].alias("model.n")
    )
    section = section_of_test(results_of(rows), "own-task")
    assert sloped_settings(section, section.settings) == (["task.n", "training.steps"], ["task.c"])
    for setting in ("task.n", "training.steps"):
        found, _ = slopes(section, section.settings, setting)
        assert [slope.at for slope in found] == [{"task.c": 1.0}, {"task.c": 3.0}]
        assert [slope.of["squared_error"].value for slope in found] == pytest.approx([-1.0, -1.0])


def test_where_points_were_drawn_one_line_is_fitted_through_all() -> None:
    random.seed(0)
    drawn = [(random.uniform(1, 9), random.uniform(1, 9), random.choice("xy")) for _ in range(40)]
    rows = made_rows(
        {"task.place": range(40), "test.t": [1, 2, 3]}, lambda **_: {"squared_error": 1.0}, seeds=2
    ).with_columns(
        pl.Series("task.n", [drawn[place][0] for place in range(40) for _ in range(6)]),
        pl.Series("task.m", [drawn[place][1] for place in range(40) for _ in range(6)]),
        pl.Series("task.b", [drawn[place][2] for place in range(40) for _ in range(6)]),
    )
    rows = rows.with_columns(squared_error=pl.col("task.n") ** -2.0 * pl.col("test.t")).drop("task.place")
    section = section_of_test(results_of(rows, drawn=True), "own-task")
    found, count = slopes(section, section.settings, "task.n", drawn=True)
    assert count == 6
    assert {tuple(slope.at) for slope in found} == {("test.t", "task.b")}
    assert {slope.unheld for slope in found} == {("task.m",)}
    assert [slope.of["squared_error"].value for slope in found] == pytest.approx([-2.0] * 6)
    found, count = slopes(section, section.settings, "test.t", drawn=True, most=5)
    assert (len(found), count) == (5, 40)
    assert [slope.of["squared_error"].value for slope in found] == pytest.approx([1.0] * 5)


def test_what_is_not_told_apart_is_known() -> None:
    rows = made_rows({"task.a": [1, 2], "task.b": [1, 2, 3]}, lambda **_: {"squared_error": 1.0})
    rows = rows.insert_column(2, (rows["task.a"] * 10).alias("model.d"))
    mixed = mixture(section_of_test(results_of(rows), "own-task"), ["task.a"])
    assert mixed == (("task.b",), (), ("model.d",))
    uneven = rows.filter(~((rows["task.a"] == 1) & (rows["task.b"] == 3)))
    assert mixture(section_of_test(results_of(uneven), "own-task"), ["task.a"]) == ((), ("task.b",), ("model.d",))
    assert mixture(section_of_test(results_of(uneven), "own-task"), ["task.b"])[1] == ("task.a", "model.d")


def test_the_table_of_all_points_has_the_numbers() -> None:
    first = made_rows({"task.a": [1, 2]}, lambda **_: {"hinge_risk": 1.0}, test="first", seeds=1)
    second = made_rows({"task.a": [1, 2], "test.b": [5, 6]}, lambda seed, **_: {"hinge_risk": seed}, test="second")
    results = results_of(pl.concat([second, first], how="diagonal_relaxed"))
    table = summary_table(results)
    assert table.columns == [
        "test", "task.a", "test.b", "hinge_risk", "hinge_risk_low", "hinge_risk_high", "hinge_risk_seeds", "seeds",
        "diverged",
    ]  # fmt: skip
    assert table["test"].to_list() == ["second"] * 4 + ["first"] * 2
    assert table["test.b"].to_list() == [5, 6, 5, 6, None, None]
    assert table.row(0)[3:6] == pytest.approx(over_seeds([0.0, 1.0, 2.0], least=0.0))
    # Of one seed nothing is known but that a risk is at least 0.
    assert table.row(4)[3:7] == (1.0, 0.0, None, 1)
    assert summary_table(results, ["second"], ["test.b"]).height == 2


def _no_sweep(folder: Path) -> None:
    (folder / "sweep.json").unlink()


def _other_mark(folder: Path) -> None:
    (folder / "sweep.json").write_text('{"made by": "me"}', encoding="utf-8")


def _deep(folder: Path) -> None:
    (folder / "sweep.json").write_text("[" * 100_000, encoding="utf-8")


def _no_rows(folder: Path) -> None:
    (folder / "rows.parquet").unlink()


def _empty(folder: Path) -> None:
    pl.read_parquet(folder / "rows.parquet").clear().write_parquet(folder / "rows.parquet")


def _text(folder: Path) -> None:
    (folder / "rows.parquet").write_text("task.alpha,seed\n", encoding="utf-8")


def _other_columns(folder: Path) -> None:
    pl.read_parquet(folder / "rows.parquet").drop("trial").write_parquet(folder / "rows.parquet")


def _other_types(folder: Path) -> None:
    rows = pl.read_parquet(folder / "rows.parquet")
    rows.with_columns(pl.col("seed").cast(pl.String)).write_parquet(folder / "rows.parquet")


def _nothing_measured(folder: Path) -> None:
    rows = pl.read_parquet(folder / "rows.parquet")
    rows.drop("squared_error_se").write_parquet(folder / "rows.parquet")


def _reproduction(folder: Path) -> None:
    (folder / "sweep.json").unlink()
    for name in ("run.json", "claims.json"):
        (folder / name).write_text("{}", encoding="utf-8")


def _around(folder: Path) -> None:
    inner = folder / "mine"
    inner.mkdir()
    (folder / "sweep.json").rename(inner / "sweep.json")


REFUSED: dict[Callable[[Path], None], str] = {
    _no_sweep: r"has no sweep\.json",
    _other_mark: r"its sweep\.json is not of iclscope",
    _deep: r"its sweep\.json is not of iclscope",
    _no_rows: "has no rows yet: run its sweep to the end",
    _empty: "has no rows yet",
    _text: "damaged or no Parquet",
    _other_columns: "not of this version: it has no column trial",
    _other_types: "has a column seed of String",
    _nothing_measured: "nothing was measured",
    _reproduction: r"one of iclscope reproduce: see .*report\.html",
    _around: r"this holds .*mine",
}


@pytest.mark.parametrize("damage", REFUSED, ids=lambda damage: damage.__name__.strip("_"))
def test_a_folder_without_a_table_is_refused(damage: Callable[[Path], None], tmp_path: Path) -> None:
    folder = write_results(tmp_path / "out", made_rows({"task.a": [1]}, lambda **_: {"squared_error": 1.0}))
    damage(folder)
    with pytest.raises(BadRequest, match=REFUSED[damage]) as error:
        iclscope.sweep_rows(folder)
    assert str(error.value).startswith(("DIR: expected ", "DIR = "))
    assert "\n" not in str(error.value)


def test_a_folder_that_is_not_there_is_refused_with_the_closest(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "zhang2024", made_rows({"task.a": [1]}, lambda **_: {"squared_error": 1.0}))
    with pytest.raises(BadRequest, match=r"does not exist; did you mean .*/zhang2024\?"):
        load_results(tmp_path / "zang2024")
    with pytest.raises(BadRequest, match=r"this is a file; did you mean .*/zhang2024\?"):
        load_results(folder / "rows.parquet")
    with pytest.raises(BadRequest, match="does not exist"):
        load_results(tmp_path / "no" / "such")


def test_a_damaged_table_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    folder = write_results(tmp_path, made_rows({"task.a": range(20)}, lambda **_: {"squared_error": 1.0}))
    whole = (folder / "rows.parquet").read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        (folder / "rows.parquet").write_bytes(whole[:place])
        with pytest.raises(BadRequest, match="damaged"):
            load_results(folder)


def test_odd_notes_are_read(tmp_path: Path) -> None:
    """The note of a later version may say more, or less."""
    folder = write_results(tmp_path, made_rows({"task.a": [1]}, lambda **_: {"squared_error": 1.0}))
    sweeps: list[Any] = [None, [], {"design": "sobol", "question": None}, {"design": {"kind": "sobol"}}]
    for sweep in sweeps:
        (folder / "sweep.json").write_text(json.dumps({"made by": "iclscope sweep", "sweep": sweep}), encoding="utf-8")
        assert load_results(folder).drawn == bool(sweep)
