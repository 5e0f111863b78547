"""What a paper predicts: formulas only."""

from iclscope.theory import garg2022, huang2024, li2024, vonoswald2023, zhang2024

__all__ = ["garg2022", "huang2024", "li2024", "vonoswald2023", "zhang2024"]
