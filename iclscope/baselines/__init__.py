"""Classical methods on the same prompts."""

from iclscope.baselines.per_prompt import CLASSIFIERS, classifier_outputs
from iclscope.baselines.predictor import Baseline, BaselinePrediction, baseline_names

__all__ = ["CLASSIFIERS", "Baseline", "BaselinePrediction", "baseline_names", "classifier_outputs"]


def __dir__() -> list[str]:
    return sorted(__all__)
