"""What else could answer a prompt."""

from iclscope.baselines.per_prompt import CLASSIFIERS, classifier_outputs
from iclscope.baselines.predictor import Baseline, BaselinePrediction, baseline_names

__all__ = ["CLASSIFIERS", "Baseline", "BaselinePrediction", "baseline_names", "classifier_outputs"]
