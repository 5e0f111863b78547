"""The regression baselines by name, and their errors on a batch of prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from jaxtyping import Float
from torch import Tensor

from iclscope.baselines.regression.lasso_paths import LASSO_ALPHAS, lasso, lasso_path_predictions
from iclscope.baselines.regression.linear import averaging, least_squares
from iclscope.baselines.regression.neighbours import nearest_neighbours
from iclscope.baselines.regression.network import two_layer_network
from iclscope.baselines.regression.trees import boosted_trees, greedy_tree
from iclscope.core.errors import one_of_these, require

_LASSO_NAMES = {f"Lasso, α = {alpha:g}": alpha for alpha in LASSO_ALPHAS}
_IN_PROCESSES = {*_LASSO_NAMES, "greedy tree", "XGBoost"}

REGRESSION_BASELINES: dict[str, Callable[..., Tensor]] = {
    "least squares": least_squares,
    "averaging": averaging,
    "3-NN": partial(nearest_neighbours, neighbours=3),
    **{name: partial(lasso, alpha=alpha) for name, alpha in _LASSO_NAMES.items()},
    "greedy tree": greedy_tree,
    "XGBoost": boosted_trees,
    "two-layer network": two_layer_network,
}
"""The baselines of Garg et al. 2022 (arXiv 2208.01066): functions of a prompt's inputs [*batch, k, d], their targets
[*batch, k] and the query [*batch, d] that give an answer [*batch]."""


def baseline_errors(
    names: Sequence[str],
    inputs: Float[Tensor, "run batch points d"],
    targets: Float[Tensor, "run batch points"],
    context_lengths: Sequence[int],
    *,
    values: Float[Tensor, "run batch points"] | None = None,
    processes: int = 1,
) -> dict[str, Float[Tensor, "run batch length"]]:
    """Squared errors of baselines that answer point k of each prompt after points 0 to k − 1.

    The Lasso's α share one path per prompt and length. All prompts are answered; pass fewer where a baseline is slow.

    Args:
        names: keys of `REGRESSION_BASELINES`.
        inputs: the points of a batch of prompts per run, finite.
        targets: the function's values at them, finite.
        context_lengths: each k, from 0 to points − 1.
        values: what answers are compared with, where the targets are noisy; None: the targets.
        processes: how many to fit in at a time, where a library fits one prompt at a time.

    Returns:
        (answer − value)² for each name, without division by d.

    Raises:
        BadRequest: if a name is unknown, a k has no point to answer, or ``processes`` is below 1.
    """
    for name in names:
        require(name in REGRESSION_BASELINES, "names", name, one_of_these(REGRESSION_BASELINES))
    points = targets.shape[-1]
    for k in context_lengths:
        require(0 <= k < points, "context_lengths", k, f"integers from 0 to {points - 1}")
    require(processes >= 1, "processes", processes, "an integer from 1")
    truth = targets if values is None else values
    errors = {name: targets.new_empty(*targets.shape[:-1], len(context_lengths)) for name in names}
    for i, k in enumerate(context_lengths):
        prompt = inputs[:, :, :k], targets[:, :, :k], inputs[:, :, k]
        for name, answer in _answers(names, *prompt, processes=processes).items():
            errors[name][..., i] = (answer - truth[:, :, k]).square()
    return errors


def _answers(
    names: Sequence[str],
    inputs: Float[Tensor, "run batch k d"],
    targets: Float[Tensor, "run batch k"],
    query: Float[Tensor, "run batch d"],
    *,
    processes: int,
) -> dict[str, Float[Tensor, "run batch"]]:
    """Each baseline's answers, with one path for all that are Lassos."""
    lassos = [name for name in names if name in _LASSO_NAMES]
    answers = {
        name: REGRESSION_BASELINES[name](
            inputs, targets, query, **({"processes": processes} if name in _IN_PROCESSES else {})
        )
        for name in names
        if name not in lassos
    }
    if lassos:
        alphas = [_LASSO_NAMES[name] for name in lassos]
        paths = lasso_path_predictions(inputs, targets, query, alphas, processes=processes)
        answers.update(zip(lassos, paths, strict=True))
    return answers
