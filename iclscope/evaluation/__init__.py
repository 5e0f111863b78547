"""How answers are scored."""

from iclscope.evaluation.intervals import Interval, mean_interval, rate_difference_interval, rate_interval
from iclscope.evaluation.risks import Risks, evaluate, risks_of, risks_on
from iclscope.evaluation.slopes import first_below, log_log_slope, slope_over_seeds

__all__ = [
    "Interval",
    "Risks",
    "evaluate",
    "first_below",
    "log_log_slope",
    "mean_interval",
    "rate_difference_interval",
    "rate_interval",
    "risks_of",
    "risks_on",
    "slope_over_seeds",
]
