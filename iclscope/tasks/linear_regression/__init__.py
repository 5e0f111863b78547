"""Linear regression in context: the tasks of von Oswald 2023 and Zhang 2024."""

from iclscope.tasks.linear_regression.regression import LinearRegression
from iclscope.tasks.linear_regression.sampler import LinearRegressionSampler

__all__ = ["LinearRegression", "LinearRegressionSampler"]
