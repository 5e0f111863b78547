"""One folder per paper: theory, settings, published values, figures; all that a reader of that paper needs.

`iclscope.papers.li2024` has ``PAPER`` and ``theory``; other packages add theirs by entry points (docs/extending.md).
"""

from __future__ import annotations

from iclscope.core.lazy_names import lazy_names

__all__ = ["comparison", "garg2022", "huang2024", "li2024", "vonoswald2023", "zhang2024"]

__getattr__, __dir__ = lazy_names(__name__, __all__, {})
