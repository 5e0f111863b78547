"""What each paper predicts, as formulas; imported on first use, since few of them need PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iclscope.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from iclscope.papers.garg2022 import theory as garg2022
    from iclscope.papers.huang2024 import theory as huang2024
    from iclscope.papers.li2024 import theory as li2024
    from iclscope.papers.vonoswald2023 import theory as vonoswald2023
    from iclscope.papers.zhang2024 import theory as zhang2024

__all__ = ["garg2022", "huang2024", "li2024", "vonoswald2023", "zhang2024"]

__getattr__, __dir__ = lazy_names(__name__, __all__, {name: f"iclscope.papers.{name}.theory" for name in __all__})
