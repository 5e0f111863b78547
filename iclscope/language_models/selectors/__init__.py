"""Which demonstrations a prompt shows."""

from iclscope.language_models.selectors.choice import SCORES, SELECTORS, Choice, SelectorName, choose
from iclscope.language_models.selectors.seen import SeenTexts, SelectorOptions

__all__ = ["SCORES", "SELECTORS", "Choice", "SeenTexts", "SelectorName", "SelectorOptions", "choose"]
