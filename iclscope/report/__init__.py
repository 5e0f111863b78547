"""Rows and judged claims → pictures, tables and one HTML page. Nothing here trains or loads a model."""

# ruff: noqa: E402 (what follows imports matplotlib)
from iclscope.backend_variable import import_matplotlib

import_matplotlib()  # before any figure does

from iclscope.report.claims_table import print_claims
from iclscope.report.formats import format_duration, format_interval, format_number, format_region
from iclscope.report.page import FigureSection, Report, render_page
from iclscope.report.style import (
    COLOURS,
    INK,
    MARKERS,
    STYLE,
    curve,
    legend,
    new_figure,
    published,
    reference_curve,
    reference_line,
    save_figure,
)

__all__ = [
    "COLOURS",
    "INK",
    "MARKERS",
    "STYLE",
    "FigureSection",
    "Report",
    "curve",
    "format_duration",
    "format_interval",
    "format_number",
    "format_region",
    "legend",
    "new_figure",
    "print_claims",
    "published",
    "reference_curve",
    "reference_line",
    "render_page",
    "save_figure",
]
