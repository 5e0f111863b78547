"""Inputs that are one of K orthonormal features, and their answers: the task of Huang 2024."""

from iclscope.tasks.orthonormal_features.count_prompts import CountPrompts
from iclscope.tasks.orthonormal_features.feature_task import Expectation, FeatureSampler, OrthonormalFeatures

__all__ = ["CountPrompts", "Expectation", "FeatureSampler", "OrthonormalFeatures"]
