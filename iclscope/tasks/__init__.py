"""Tasks: what prompts are made of. They know nothing about models."""

from iclscope.tasks.examples import CountedPrompts, ExamplePrompts, InContextExamples, SignedPrompts, columns_of
from iclscope.tasks.function_classes import FunctionClass
from iclscope.tasks.function_prompts import FunctionPrompts
from iclscope.tasks.known import settings_of_tasks, stack_tasks, task_from_settings, tasks_of_runs
from iclscope.tasks.linear_regression import LinearRegression
from iclscope.tasks.orthonormal_features import CountPrompts, FeatureSampler, OrthonormalFeatures
from iclscope.tasks.patterns import PatternClassification, PatternPrompts, PatternSampler, PatternShift
from iclscope.tasks.prompt_sampler import PromptSampler, StreamOf
from iclscope.tasks.prompts import DensePrompts, Prompts, Sampler
from iclscope.tasks.sine_regression import SineRegression
from iclscope.tasks.task import Metric, RegressionTask, Task

__all__ = [
    "CountPrompts",
    "CountedPrompts",
    "DensePrompts",
    "ExamplePrompts",
    "FeatureSampler",
    "FunctionClass",
    "FunctionPrompts",
    "InContextExamples",
    "LinearRegression",
    "Metric",
    "OrthonormalFeatures",
    "PatternClassification",
    "PatternPrompts",
    "PatternSampler",
    "PatternShift",
    "PromptSampler",
    "Prompts",
    "RegressionTask",
    "Sampler",
    "SignedPrompts",
    "SineRegression",
    "StreamOf",
    "Task",
    "columns_of",
    "settings_of_tasks",
    "stack_tasks",
    "task_from_settings",
    "tasks_of_runs",
]


def __dir__() -> list[str]:
    return sorted(__all__)
