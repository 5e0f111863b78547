"""What else could answer a prompt."""

from iclscope.baselines.per_prompt import CLASSIFIERS, baseline_outputs

__all__ = ["CLASSIFIERS", "baseline_outputs"]
