"""The Lasso: linear answers that use few coordinates."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float
from torch import Tensor

from iclscope.baselines.regression.pool import Array, fit_each_prompt
from iclscope.core.errors import require

LASSO_ALPHAS = (1.0, 0.1, 0.01, 0.001, 0.0001)
"""The weights of the penalty in Garg et al. 2022 (arXiv 2208.01066), Section 3.2."""

_GAP = 1e-9
_LARGEST_GAP = 1e-4
_SWEEPS = 100_000


def lasso(
    inputs: Float[Tensor, "*batch k d"],
    targets: Float[Tensor, "*batch k"],
    query: Float[Tensor, "*batch d"],
    *,
    alpha: float,
    processes: int = 1,
) -> Float[Tensor, "*batch"]:
    """Answer ⟨w, query⟩ with each prompt's Lasso w for one α; `lasso_path_predictions` says how it is found.

    Args:
        inputs: each prompt's examples, finite.
        targets: their values, finite.
        query: the input to answer.
        alpha: weight of the penalty, positive.
        processes: how many to fit in at a time.

    Returns:
        One answer per prompt; 0 where k = 0.

    Raises:
        BadRequest: if ``alpha`` is not positive and finite, or ``processes`` is below 1.
        RuntimeError: as in `lasso_path_predictions`.
    """
    return lasso_path_predictions(inputs, targets, query, [alpha], processes=processes)[0]


def lasso_path_predictions(
    inputs: Float[Tensor, "*batch k d"],
    targets: Float[Tensor, "*batch k"],
    query: Float[Tensor, "*batch d"],
    alphas: Sequence[float],
    *,
    processes: int = 1,
) -> Float[Tensor, "alphas *batch"]:  # noqa: F821 (a shape)
    """Answer ⟨w, query⟩ with each prompt's Lasso w, for several α at once.

    w minimizes scikit-learn's objective ‖targets − inputs·w‖²/(2k) + α‖w‖₁, without intercept. Least-angle
    regression (scikit-learn's ``lars_path``) finds w for every α exactly, in one pass. Each w's duality gap is then
    checked. Where it exceeds 10⁻⁹‖targets‖², which happens when coordinates of the inputs are equal or ±1, coordinate
    descent (``lasso_path``) solves that prompt to this gap, with at most 100,000 sweeps per α, and the w of the
    smaller gap is taken. Only then can there be several minimizers; one of them answers.

    scikit-learn's ``Lasso`` stops at a gap of 10⁻⁴‖targets‖² unless told otherwise. That alone leaves
    squared errors near 3·10⁻⁴ for 20 examples of a 3-sparse function with α = 10⁻⁴, whose minimizer errs by 7·10⁻⁸.

    Args:
        inputs: each prompt's examples, finite.
        targets: their values, finite.
        query: the input to answer.
        alphas: weights of the penalty, positive, in any order.
        processes: how many to fit in at a time.

    Returns:
        One answer per α and prompt; 0 where k = 0.

    Raises:
        BadRequest: if there is no α, one is not positive and finite, or ``processes`` is below 1.
        RuntimeError: if neither method reaches scikit-learn's own gap, 10⁻⁴‖targets‖².
    """
    weights = np.asarray(alphas, dtype=np.float64)
    allowed = len(weights) > 0 and bool(np.isfinite(weights).all()) and bool((weights > 0).all())
    require(allowed, "alphas", list(alphas), "positive numbers, at least one")
    fit = partial(_fit_and_answer, alphas=weights)
    return fit_each_prompt(fit, inputs, targets, query, answers=len(weights), processes=processes)


def _fit_and_answer(inputs: Array, targets: Array, queries: Array, *, alphas: Array) -> Array:
    """Answers [alpha, prompt] of some prompts; scikit-learn finds one path at a time."""
    # Importing scikit-learn takes more than a second, and most commands do without.
    import sklearn
    from sklearn.exceptions import ConvergenceWarning

    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True), warnings.catch_warnings():
        # The gaps say what the warnings would, and what is done about it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = np.stack([_by_angles(x, y, alphas) for x, y in zip(inputs, targets, strict=True)])
        gaps = _relative_gaps(inputs, targets, found, alphas)
        open_prompts = np.flatnonzero(~(gaps <= _GAP).all(axis=-1))
        if len(open_prompts):
            x, y = inputs[open_prompts], targets[open_prompts]
            second = np.stack([_by_coordinates(*prompt, alphas) for prompt in zip(x, y, strict=True)])
            second_gaps = _relative_gaps(x, y, second, alphas)
            first_is_better = gaps[open_prompts] <= second_gaps
            found[open_prompts] = np.where(first_is_better[:, None], found[open_prompts], second)
            gaps[open_prompts] = np.where(first_is_better, gaps[open_prompts], second_gaps)
    if not (gaps <= _LARGEST_GAP).all():
        raise RuntimeError(f"no Lasso solution found: relative duality gap {np.max(gaps)} after {_SWEEPS} sweeps")
    answers: Array = np.einsum("nd,nda->an", queries, found)
    return answers


def _by_angles(inputs: Array, targets: Array, alphas: Array) -> Array:
    """Coefficients [d, alpha] of one prompt, zeros if no path is found: between its knots, the path is linear in α."""
    from sklearn.linear_model import lars_path

    try:
        knots, _, path = lars_path(inputs, targets, method="lasso", alpha_min=alphas.min())
    except ValueError:
        # scikit-learn 1.9 loses count where two coordinates leave at one knot, one prompt in ten thousand. The gap of
        # zeros hands the prompt to coordinate descent.
        return np.zeros((inputs.shape[-1], len(alphas)))
    return np.stack([np.interp(alphas, knots[::-1], coordinate[::-1]) for coordinate in path])


def _by_coordinates(inputs: Array, targets: Array, alphas: Array) -> Array:
    """Coefficients [d, alpha] of one prompt by coordinate descent, from the largest α down."""
    from sklearn.linear_model import lasso_path

    found = np.empty((inputs.shape[-1], len(alphas)))
    found[:, np.argsort(-alphas)] = lasso_path(
        np.asfortranarray(inputs), targets, alphas=np.sort(alphas)[::-1], tol=_GAP, max_iter=_SWEEPS
    )[1]
    return found


def _relative_gaps(
    inputs: Float[np.ndarray, "prompt k d"],
    targets: Float[np.ndarray, "prompt k"],
    coefficients: Float[np.ndarray, "prompt d alpha"],
    alphas: Float[np.ndarray, " alpha"],
) -> Float[np.ndarray, "prompt alpha"]:
    """Duality gaps of k times the objective over ‖targets‖², the measure of scikit-learn's ``tol``.

    The dual point is the residual, shrunk until no correlation with an input exceeds αk.
    """
    penalties = alphas * inputs.shape[1]
    residuals = targets[..., None] - inputs @ coefficients
    correlations = np.abs(inputs.swapaxes(1, 2) @ residuals).max(axis=1)
    shrink = penalties / np.maximum(correlations, penalties)
    squares = np.square(targets).sum(axis=1)[:, None]
    primal = np.square(residuals).sum(axis=1) / 2 + penalties * np.abs(coefficients).sum(axis=1)
    dual = (squares - np.square(targets[..., None] - shrink[:, None] * residuals).sum(axis=1)) / 2
    # Zero targets are solved by zero coefficients, which leave no gap.
    gaps: Array = (primal - dual) / np.where(squares > 0, squares, 1)
    return gaps
