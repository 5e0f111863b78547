"""Prompts of orthogonal patterns: the task of Li 2024."""

from iclscope.tasks.patterns.basis import PatternBasis
from iclscope.tasks.patterns.classification import PatternClassification, PatternSampler
from iclscope.tasks.patterns.prompts import PatternPrompts
from iclscope.tasks.patterns.shift import PatternShift, coefficient_report, pair_coefficients
from iclscope.tasks.patterns.task_sets import (
    all_tasks,
    check_condition_3_2,
    cycle_tasks,
    tasks_of_share,
    unseen_tasks,
)

__all__ = [
    "PatternBasis",
    "PatternClassification",
    "PatternPrompts",
    "PatternSampler",
    "PatternShift",
    "all_tasks",
    "check_condition_3_2",
    "coefficient_report",
    "cycle_tasks",
    "pair_coefficients",
    "tasks_of_share",
    "unseen_tasks",
]
