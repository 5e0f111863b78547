"""Contextual calibration: what a model answers to a query that says nothing is its bias."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.special import log_softmax, logsumexp


def calibrated(
    scores: Float64[np.ndarray, "query label"], content_free: Float64[np.ndarray, "free label"]
) -> Float64[np.ndarray, "query label"]:
    """Log-probabilities of the labels, less their log-probability behind content-free queries.

    Zhao et al., "Calibrate before use: improving few-shot performance of language models" (2021), Section 5: the label
    with the largest p(label) / p_cf(label), where both are normalised over the labels and p_cf is the mean over
    content-free queries.

    Args:
        scores: log-likelihoods of the labels; of one that never comes, −∞, and then it is never the likeliest.
        content_free: the same for queries without content, behind the same demonstrations.
    """
    bias = logsumexp(log_softmax(content_free, axis=1), axis=0) - np.log(len(content_free))
    own = log_softmax(scores, axis=1)
    found: Float64[np.ndarray, "query label"] = np.subtract(own, bias, where=own > -np.inf, out=own.copy())
    return found
