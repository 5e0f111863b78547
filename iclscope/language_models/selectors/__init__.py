"""Which demonstrations a prompt shows."""

from iclscope.language_models.selectors.choice import SELECTORS, Choice, SelectorName, choose

__all__ = ["SELECTORS", "Choice", "SelectorName", "choose"]
