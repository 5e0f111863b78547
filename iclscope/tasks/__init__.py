"""What a prompt is made of. Tasks know nothing of models."""

from iclscope.tasks.patterns import PatternClassification, PatternPrompts, PatternSampler, PatternShift
from iclscope.tasks.prompts import DensePrompts, Prompts

__all__ = [
    "DensePrompts",
    "PatternClassification",
    "PatternPrompts",
    "PatternSampler",
    "PatternShift",
    "Prompts",
]
