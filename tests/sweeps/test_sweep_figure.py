"""Figures of sweeps: what is drawn where, what the caption says, and files that can be told to be ours."""

from __future__ import annotations

import io
import math
import random
from pathlib import Path

import matplotlib.image
import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure
from sweeps.made_results import made_rows

from iclscope.plotting.setting_text import setting_label, value_text
from iclscope.sweeps.pictures.own_files import ENDINGS, figure_file, is_ours
from iclscope.sweeps.pictures.sweep_figure import Shown, sweep_figure
from iclscope.sweeps.results import SweepResults
from iclscope.sweeps.summary import points, section_of_test, section_of_training


def figure_of(rows: pl.DataFrame, x: str, y: str = "squared_error", **shown: object) -> Figure:
    results = SweepResults(Path("made"), "made", "", bool(shown.get("drawn", False)), rows)
    sections = [section_of_training(results)] if y == "stopped_at" else [
        section_of_test(results, test) for test in results.tests
    ]  # fmt: skip
    return sweep_figure(sections, Shown("made", x, y, **shown))  # type: ignore[arg-type]


def caption(figure: Figure) -> str:
    return " ".join(figure.get_supxlabel().split())


GRID = made_rows(
    {"task.n": [4, 1, 2], "task.b": ["x", "y$_2", "z"], "task.c": [1, 2]},
    lambda seed, task_n, task_b, task_c, **_: {"squared_error": (1 + 0.1 * seed) * task_c / task_n + len(task_b)},
)


def test_means_and_bands_are_drawn_in_the_order_of_the_numbers() -> None:
    figure = figure_of(GRID, "task.n", hue="task.b")
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines] == ["x", r"y\$_2", "z"]
    results = SweepResults(Path("made"), "made", "", False, GRID)
    found, _ = points(section_of_test(results, "own-task"), ["task.n", "task.b"])
    own = sorted((p for p in found if p.values["task.b"] == "x"), key=lambda point: point.values["task.n"])
    assert np.asarray(axes.lines[0].get_xdata()).tolist() == [1, 2, 4]
    assert np.asarray(axes.lines[0].get_ydata()).tolist() == [point.estimates["squared_error"].value for point in own]
    band = np.asarray(axes.collections[0].get_paths()[0].vertices)
    assert {round(float(v), 9) for v in band[:, 1]} == {
        round(end, 9) for point in own for end in point.estimates["squared_error"][1:3]
    }
    assert caption(figure) == (
        "made: mean over 3 seeds, with its 95 % interval over seeds. Averaged over task.c (1, 2)."
    )
    assert axes.get_xlabel() == "n (task.n)"
    assert axes.get_ylabel() == "squared error, 1 = predicting 0"
    assert figure.legends[0].get_title().get_text() == "b (task.b)"


def test_categories_have_places_and_no_line() -> None:
    figure = figure_of(GRID, "task.b", hue="task.c")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", r"y\$_2", "z"]
    assert [line.get_linestyle() for line in axes.lines] == ["None", "None"]
    first, second = (np.asarray(line.get_xdata(), dtype=float) for line in axes.lines)
    assert np.round((first + second) / 2, 9).tolist() == [0, 1, 2]
    assert (second > first).all()
    assert "Averaged over task.n (4, 1, 2)." in caption(figure)


def test_each_test_has_a_panel_and_says_what_it_averages_over() -> None:
    other = made_rows({"task.n": [4, 1, 2], "test.s": [1, 2]}, lambda **_: {"squared_error": 500.0}, test="other")
    figure = figure_of(pl.concat([GRID, other], how="diagonal_relaxed").drop("task.b"), "task.n")
    assert [axes.get_title() for axes in figure.axes] == ["own-task", "other"]
    text = caption(figure)
    assert "In own-task: averaged over task.c (1, 2)." in text
    assert "In other: averaged over test.s (1, 2)." in text
    assert not figure.axes[0].get_shared_y_axes().joined(*figure.axes), "500 would flatten the other panel"


def test_labels_of_panels_side_by_side_do_not_meet() -> None:
    rows = made_rows({"task.alpha": [0.1, 0.8]}, lambda **_: {"squared_error": 0.5})
    (alone,) = figure_of(rows, "task.alpha").axes
    assert alone.get_xlabel() == "share of relevant examples α (task.alpha)"
    figure = figure_of(pl.concat([rows, rows.with_columns(test=pl.lit("other"))]), "task.alpha")
    figure.canvas.draw()
    first, second = (axes.xaxis.label.get_window_extent() for axes in figure.axes)
    assert first.x1 + first.width / 10 < second.x0
    assert figure.axes[0].get_xlabel() == "share of relevant examples α\n(task.alpha)"


def test_a_log_axis_of_several_panels_shows_all_of_them() -> None:
    low = made_rows({"task.n": [1, 2]}, lambda task_n, **_: {"squared_error": 0.02 * task_n}, test="low")
    high = made_rows({"task.n": [1, 2]}, lambda task_n, **_: {"squared_error": 0.2 * task_n}, test="high")
    figure = figure_of(pl.concat([low, high]), "task.n", log="xy")
    bottom, top = figure.axes[0].get_ylim()
    assert figure.axes[0].get_shared_y_axes().joined(*figure.axes)
    assert bottom < 0.02
    assert top > 0.4
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1", "2"]


def test_what_is_left_out_is_counted() -> None:
    rows = made_rows(
        {"training.rate": [1, 2]},
        lambda seed, training_rate, **_: {
            "squared_error": math.nan if (seed, training_rate) == (0, 2) else float(training_rate == 2),
            "diverged_at": 4 if (seed, training_rate) == (0, 2) else None,
            "stopped_at": 5 if seed == 1 else None,
        },
    )
    text = caption(figure_of(rows, "training.rate", log="y"))
    assert "Left out: the seeds of 1 run that diverged, where they did." in text
    assert "1 mean of 0 not shown on the logarithmic axis." in text
    figure = figure_of(rows, "training.rate", "stopped_at")
    assert "Left out: the seeds of 4 runs that never met the target risk." in caption(figure)
    assert figure.axes[0].get_ylabel() == "steps until the target risk"


def test_settings_that_move_along_are_named() -> None:
    rows = GRID.insert_column(3, (GRID["task.n"] * 10).alias("training.steps"))
    assert "Not held: training.steps (40, 10, 20), moving together with what is shown." in caption(
        figure_of(rows, "task.n", hue="task.b")
    )
    uneven = rows.filter(~((rows["task.n"] == 1) & (rows["task.c"] == 2)))
    assert "Averaged over task.c (1, 2), of which not every point has the same values." in caption(
        figure_of(uneven, "task.n", hue="task.b")
    )


def test_points_that_were_drawn_are_not_joined_and_get_a_colour_bar() -> None:
    random.seed(0)
    rows = made_rows({"task.n": range(1, 21)}, lambda task_n, **_: {"squared_error": 1 / task_n})
    rate = pl.Series("training.rate", [rate for _ in range(20) for rate in 3 * [random.uniform(0.01, 1)]])
    rows = rows.insert_column(1, rate)
    figure = figure_of(rows, "task.n", drawn=True)
    assert all(line.get_linestyle() == "None" for line in figure.axes[0].lines)
    assert "Not held: training.rate (20 values), of other values at every point." in caption(figure)
    figure = figure_of(rows, "task.n", hue="training.rate", drawn=True)
    panel, bar = figure.axes
    assert len({line.get_color() for line in panel.lines}) == 20
    assert bar.get_ylabel() == "rate (training.rate)"
    assert "Not held" not in caption(figure)


def test_one_seed_has_no_interval() -> None:
    figure = figure_of(GRID.filter(GRID["seed"] == 0), "task.b")
    assert caption(figure).startswith("made: one seed.")
    figure_file(figure, ".png", name="x")


def test_axes_have_the_words_of_the_field_and_the_name_of_the_setting() -> None:
    assert setting_label("training.learning_rate") == "learning rate η (training.learning_rate)"
    assert setting_label("length") == "examples in test prompts"
    assert setting_label("task.length") == "examples in training prompts (task.length)"
    assert setting_label("task.shift.S1") == "coefficient sum S₁ (task.shift.S1)"
    assert setting_label("model.m_a") == "m a (model.m_a)"
    assert [value_text(value) for value in (None, True, 3, 0.70710678, "x\n")] == ["null", "true", "3", "0.7071", "x?"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_of_ours_is_known_until_it_is_changed(ending: str, tmp_path: Path) -> None:
    content = figure_file(figure_of(GRID, "task.n"), ending, name="figure")
    assert content == figure_file(figure_of(GRID, "task.n"), ending, name="figure")
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    assert is_ours(path)
    assert b"0" * 64 not in content
    for place in range(200, len(content), len(content) // 7):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert not is_ours(path)
    path.write_bytes(content + b"\n")
    assert not is_ours(path)
    path.write_bytes(content[:-1])
    assert not is_ours(path)
    assert not is_ours(tmp_path)
    assert not is_ours(tmp_path / "nothing")


def test_a_png_of_ours_is_a_picture_with_its_checksums() -> None:
    content = figure_file(figure_of(GRID, "task.n"), ".png", name="figure")
    place, kinds = 8, []
    while place < len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        block = content[place + 4 : place + 8 + size]
        assert int.from_bytes(content[place + 8 + size : place + 12 + size], "big") == _crc(block)
        kinds.append(block[:4])
        place += 12 + size
    assert kinds[0] == b"IHDR"
    assert b"tEXt" in kinds
    assert matplotlib.image.imread(io.BytesIO(content), format="png").shape[2] == 4


def _crc(block: bytes) -> int:
    """The checksum of PNG, bit by bit (ISO 3309)."""
    value = 0xFFFFFFFF
    for byte in block:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    return value ^ 0xFFFFFFFF
