"""Which demonstrations a prompt shows."""

from iclscope.language_models.selectors.choice import (
    SCORES,
    SELECTORS,
    Choice,
    SelectorName,
    check_selectors,
    check_shots,
    choose,
)
from iclscope.language_models.selectors.seen import SeenTexts, SelectorOptions

__all__ = [
    "SCORES",
    "SELECTORS",
    "Choice",
    "SeenTexts",
    "SelectorName",
    "SelectorOptions",
    "check_selectors",
    "check_shots",
    "choose",
]
