"""What a prompt is made of. Tasks know nothing of models."""

from iclscope.tasks.examples import ExamplePrompts, InContextExamples, columns_of
from iclscope.tasks.function_classes import FunctionClass, FunctionPrompts, FunctionSampler
from iclscope.tasks.linear_regression import LinearRegression, LinearRegressionSampler
from iclscope.tasks.orthonormal_features import CountPrompts, FeatureSampler, OrthonormalFeatures
from iclscope.tasks.patterns import PatternClassification, PatternPrompts, PatternSampler, PatternShift
from iclscope.tasks.prompts import DensePrompts, Prompts, Sampler
from iclscope.tasks.sine_regression import SineRegression, SineRegressionSampler
from iclscope.tasks.task import Task, TaskSampler, settings_of_tasks, stack_tasks, task_from_settings, tasks_of_runs

__all__ = [
    "CountPrompts",
    "DensePrompts",
    "ExamplePrompts",
    "FeatureSampler",
    "FunctionClass",
    "FunctionPrompts",
    "FunctionSampler",
    "InContextExamples",
    "LinearRegression",
    "LinearRegressionSampler",
    "OrthonormalFeatures",
    "PatternClassification",
    "PatternPrompts",
    "PatternSampler",
    "PatternShift",
    "Prompts",
    "Sampler",
    "SineRegression",
    "SineRegressionSampler",
    "Task",
    "TaskSampler",
    "columns_of",
    "settings_of_tasks",
    "stack_tasks",
    "task_from_settings",
    "tasks_of_runs",
]
