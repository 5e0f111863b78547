"""Which demonstrations a prompt shows."""

from iclscope.language_models.selectors.choice import SCORES, Choice, check_shots, choose
from iclscope.language_models.selectors.text_features import TextFeatures

__all__ = ["SCORES", "Choice", "TextFeatures", "check_shots", "choose"]
