"""What a paper predicts: formulas only."""

from iclscope.theory import garg2022, li2024, vonoswald2023

__all__ = ["garg2022", "li2024", "vonoswald2023"]
