"""How a model does on fresh prompts, with intervals."""

from iclscope.claims.bootstrap import BootstrapMeans, bootstrap_means
from iclscope.claims.intervals import Interval, mean_interval, rate_difference_interval, rate_interval
from iclscope.claims.slopes import first_below, log_log_slope, slope_over_seeds
from iclscope.evaluation.errors_table import error_table
from iclscope.evaluation.evaluate_model import evaluate, function_prompts, risks_on
from iclscope.evaluation.length_errors import baseline_errors_by_length, errors_by_length
from iclscope.evaluation.new_settings import changed_task
from iclscope.evaluation.results import EvaluationResult, RiskResult, SquaredErrorResult
from iclscope.evaluation.risks import Risks, risks_of
from iclscope.evaluation.squared_errors import SquaredErrors

__all__ = [
    "BootstrapMeans",
    "EvaluationResult",
    "Interval",
    "RiskResult",
    "Risks",
    "SquaredErrorResult",
    "SquaredErrors",
    "baseline_errors_by_length",
    "bootstrap_means",
    "changed_task",
    "error_table",
    "errors_by_length",
    "evaluate",
    "first_below",
    "function_prompts",
    "log_log_slope",
    "mean_interval",
    "rate_difference_interval",
    "rate_interval",
    "risks_of",
    "risks_on",
    "slope_over_seeds",
]


def __dir__() -> list[str]:
    return sorted(__all__)
