"""What a paper predicts: formulas only."""

from iclscope.theory import li2024

__all__ = ["li2024"]
