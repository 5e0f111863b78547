"""Bootstrap intervals over prompts, as Garg 2022 reports them: 90 %, 1,000 resamples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float64

LEVEL, RESAMPLES = 0.90, 1000


class BootstrapMeans(NamedTuple):
    """Means over prompts with their uncertainty.

    Attributes:
        value: the means.
        low: lower ends of the 90 % percentile intervals.
        high: upper ends.
        standard_error: of the means, over prompts.
    """

    value: Float64[np.ndarray, " length"]
    low: Float64[np.ndarray, " length"]
    high: Float64[np.ndarray, " length"]
    standard_error: Float64[np.ndarray, " length"]


def bootstrap_means(errors: Float64[np.ndarray, "prompt length"], *, seed: int = 0) -> BootstrapMeans:
    """Mean over prompts at each context length, with SciPy's percentile bootstrap.

    Args:
        errors: one error per prompt and context length; at least two prompts.
        seed: of the resampling.
    """
    found = scipy.stats.bootstrap(
        (errors,),
        np.mean,
        axis=0,
        confidence_level=LEVEL,
        n_resamples=RESAMPLES,
        method="percentile",
        batch=50,  # so that memory stays at some ten resamples of all lengths
        rng=np.random.default_rng(seed),
    )
    # SciPy's types know of one-dimensional samples only.
    low, high, spread = (np.asarray(end) for end in (*found.confidence_interval, found.standard_error))
    return BootstrapMeans(errors.mean(axis=0), low, high, spread)
