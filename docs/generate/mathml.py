"""Formulas as MathML, which browsers lay out themselves: no script, no font and no network."""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(f'<span class="math">{convert(node.astext())}</span>')
    raise nodes.SkipNode


def _display(self: Any, node: nodes.math_block) -> None:
    anchor = f' id="{escape(node["ids"][0])}"' if node["ids"] else ""
    formulas = "".join(convert(part, display="block") for part in node.astext().split("\n\n") if part.strip())
    self.body.append(f'<div class="math"{anchor}>{formulas}</div>\n')
    raise nodes.SkipNode


def register(app: Any) -> None:
    """Offer the renderer under the name ``mathml``."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_display, None))
