"""What Zhang, Frei and Bartlett 2024 (arXiv 2306.09927) prove of linear attention under gradient flow, as formulas.

Training prompts hold N examples with x ~ N(0, Λ), w ~ N(0, I) and y = ⟨w, x⟩; testing prompts hold M. All follows from

    Γ = (1 + 1/N) Λ + (1/N) tr(Λ) I.

Losses of the flow are half the mean squared error, as in the paper, so a step of size η on the mean squared error lasts
a time 2η. Docstrings say "ours" where a formula is derived here and not in the paper's public summary.
"""

from iclscope.papers.zhang2024.theory.flow import Flow, flow_direction, gradient_flow, population_loss
from iclscope.papers.zhang2024.theory.flow_limit import (
    Limit,
    gamma,
    limit,
    limit_of_product,
    start_condition,
    start_warning,
)
from iclscope.papers.zhang2024.theory.risks import (
    Moments,
    Risk,
    RiskBound,
    linear_moments,
    risk,
    risk_bound,
    risk_terms,
)
from iclscope.papers.zhang2024.theory.shifts import (
    exponential_product,
    predictor,
    random_covariance_product,
    shifted_risk,
    slope,
)

__all__ = [
    "Flow",
    "Limit",
    "Moments",
    "Risk",
    "RiskBound",
    "exponential_product",
    "flow_direction",
    "gamma",
    "gradient_flow",
    "limit",
    "limit_of_product",
    "linear_moments",
    "population_loss",
    "predictor",
    "random_covariance_product",
    "risk",
    "risk_bound",
    "risk_terms",
    "shifted_risk",
    "slope",
    "start_condition",
    "start_warning",
]
