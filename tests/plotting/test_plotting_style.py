"""Figures: the same look everywhere, whole files, and an SVG that follows the page."""

import re
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure

from iclscope.plotting.inline_svg import inline_svg
from iclscope.plotting.style import (
    COLOURS,
    GROUND,
    INK,
    MARKERS,
    curve,
    legend,
    new_figure,
    published,
    reference_curve,
    reference_line,
    save_figure,
)


def drawn() -> Figure:
    """A figure with all that the room can draw, and a text without a colour of its own."""
    figure = new_figure()
    axes = figure.add_subplot()
    curve(axes, [1, 2, 3], [3.0, 2.0, 1.0], [2.5, 1.5, -float("inf")], [3.5, 2.5, float("inf")], label="ours", index=0)
    published(axes, [1, 2, 3], [3.1, 2.1, 1.1], label="$\\kappa'$ printed", index=0)
    reference_line(axes, 0.5, label="theory")
    reference_line(axes, 2.0, vertical=True, index=1)
    reference_curve(axes, [1, 3], [3, 0.5], label="bound")
    axes.text(1, 1, "a note")
    axes.set_xlabel("length")
    legend(axes)
    return figure


def contrast(first: str, second: str) -> float:
    """The contrast ratio of WCAG 2.2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_reads_on_white_and_on_dark(colour: str) -> None:
    assert contrast(colour, "#ffffff") >= 3
    assert contrast(colour, "#16181d") >= 3


def test_colour_and_marker_repeat_together_late() -> None:
    pairs = {(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i in range(42)}
    assert len(pairs) == 42


def test_both_files_are_written_and_nothing_else(tmp_path: Path) -> None:
    save_figure(drawn(), tmp_path / "new", "fig3")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["fig3.pdf", "fig3.png"]
    assert (tmp_path / "new" / "fig3.png").read_bytes().startswith(b"\x89PNG")


def test_pdf_has_truetype_fonts_only(tmp_path: Path) -> None:
    save_figure(drawn(), tmp_path, "fig3")
    pdf = (tmp_path / "fig3.pdf").read_bytes()
    assert b"/CIDFontType2" in pdf
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf


def test_equal_figures_give_equal_bytes(tmp_path: Path) -> None:
    first = save_figure(drawn(), tmp_path / "a", "fig3")
    second = save_figure(drawn(), tmp_path / "b", "fig3")
    assert first == second
    for ending in ("png", "pdf"):
        assert (tmp_path / "a" / f"fig3.{ending}").read_bytes() == (tmp_path / "b" / f"fig3.{ending}").read_bytes()


def test_svg_is_inked_by_the_page(tmp_path: Path) -> None:
    svg = save_figure(drawn(), tmp_path, "fig3")
    for colour in (INK, GROUND, "#000000"):
        assert colour not in svg.lower()
    assert "currentColor" in svg
    assert COLOURS[0] in svg


def test_svg_stands_alone_in_html(tmp_path: Path) -> None:
    svg = save_figure(drawn(), tmp_path, "fig3", label="Error & length")
    assert svg.startswith("<svg ")
    assert 'role="img"' in svg
    assert 'aria-label="Error &amp; length"' in svg
    assert re.search(r'<svg [^>]*viewBox="0 0 460\.8 259\.2"', svg)
    for unwanted in ("<?xml", "<!DOCTYPE", "<!--", "<metadata", "<style", "xlink", "xmlns", "http"):
        assert unwanted not in svg
    assert " height=" not in svg[: svg.index(">")]


def test_ids_are_referred_to_and_differ_between_figures(tmp_path: Path) -> None:
    first, second = (save_figure(drawn(), tmp_path, name) for name in ("fig3", "fig4"))
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (first, second)]
    assert ids[0]
    assert ids[0].isdisjoint(ids[1])
    for svg, defined in zip((first, second), ids, strict=True):
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', svg)) == defined


def test_global_settings_are_left_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    save_figure(drawn(), tmp_path, "fig3")
    assert dict(matplotlib.rcParams) == before


def test_axes_are_styled_however_they_are_made() -> None:
    figure = new_figure()
    for axes in [*figure.subplots(1, 2), figure.add_axes((0, 0, 0.1, 0.1))]:
        assert matplotlib.colors.to_hex(axes.spines["left"].get_edgecolor()) == INK
        assert not axes.spines["top"].get_visible()


def test_legend_of_nothing_is_none() -> None:
    assert legend(new_figure().add_subplot()) is None


def test_legend_outside_belongs_to_the_figure() -> None:
    figure = drawn()
    assert legend(figure.axes[0], outside=True) in figure.legends


def test_svg_without_a_viewbox_is_refused() -> None:
    with pytest.raises(ValueError, match="viewBox"):
        inline_svg("<svg/>", prefix="a", label="a", recoloured={})
