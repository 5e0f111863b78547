"""Which demonstrations a prompt shows."""

from iclscope.language_models.selectors.choice import SCORES, Choice, check_shots, choose
from iclscope.language_models.selectors.seen import SeenTexts

__all__ = ["SCORES", "Choice", "SeenTexts", "check_shots", "choose"]
