"""Trees: one grown greedily, and fifty boosted ones."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor

from iclscope.baselines.regression.pool import Array, fit_each_prompt

BOOSTING_ROUNDS = 50
BOOSTING_SETTINGS = {"max_depth": 4, "learning_rate": 0.1, "tree_method": "exact"}
"""XGBoost's settings: those that Garg et al. 2022 (arXiv 2208.01066) name, and the exact search for splits, which the
version that they used (1.6.1) chose by itself for data this small. All others are XGBoost's own."""


def greedy_tree(
    inputs: Float[Tensor, "*batch k d"],
    targets: Float[Tensor, "*batch k"],
    query: Float[Tensor, "*batch d"],
    *,
    processes: int = 1,
) -> Float[Tensor, "*batch"]:
    """Answer with a regression tree grown greedily on each prompt's examples until every leaf is pure.

    scikit-learn's ``DecisionTreeRegressor`` at its default settings, with ``random_state=0`` for splits of equal
    gain. It compares inputs in float32. Baseline of Garg et al. 2022 (arXiv 2208.01066), Section 5.

    Args:
        inputs: each prompt's examples, finite.
        targets: their values, finite.
        query: the input to answer.
        processes: how many to fit in at a time.

    Returns:
        One answer per prompt; 0 where k = 0.

    Raises:
        BadRequest: if ``processes`` is below 1.
    """
    return fit_each_prompt(_grow_and_answer, inputs, targets, query, answers=1, processes=processes)[0]


def boosted_trees(
    inputs: Float[Tensor, "*batch k d"],
    targets: Float[Tensor, "*batch k"],
    query: Float[Tensor, "*batch d"],
    *,
    processes: int = 1,
) -> Float[Tensor, "*batch"]:
    """Answer with XGBoost's sum of 50 trees of depth at most 4 and learning rate 0.1, fitted on each prompt's examples.

    Starts from the mean target, as XGBoost does since version 2 (it was 0.5 before, which assumes a scale of the
    targets). XGBoost works in float32. Baseline of Garg et al. 2022 (arXiv 2208.01066), Section 5.

    Args:
        inputs: each prompt's examples, finite.
        targets: their values, finite.
        query: the input to answer.
        processes: how many to fit in at a time; each fit takes one thread.

    Returns:
        One answer per prompt; 0 where k = 0.

    Raises:
        BadRequest: if ``processes`` is below 1.
    """
    return fit_each_prompt(_boost_and_answer, inputs, targets, query, answers=1, processes=processes)[0]


def _grow_and_answer(inputs: Array, targets: Array, queries: Array) -> Array:
    """Answers [1, prompt] of some prompts; scikit-learn grows one tree at a time."""
    # Importing scikit-learn takes more than a second, and most commands do without.
    import sklearn
    from sklearn.tree import DecisionTreeRegressor

    answers = np.empty((1, len(queries)))
    # The inputs are finite by construction, and checking them costs as much as growing a tree of twenty points.
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        for i, (x, y, query) in enumerate(zip(inputs, targets, queries, strict=True)):
            answers[0, i] = DecisionTreeRegressor(random_state=0).fit(x, y).predict(query[None])[0]
    return answers


def _boost_and_answer(inputs: Array, targets: Array, queries: Array) -> Array:
    """Answers [1, prompt] of some prompts; XGBoost fits one data set at a time."""
    # Importing XGBoost takes more than a second, and few experiments need it.
    import xgboost

    answers = np.empty((1, len(queries)))
    settings = {**BOOSTING_SETTINGS, "nthread": 1}
    for i, (x, y, query) in enumerate(zip(inputs, targets, queries, strict=True)):
        examples = xgboost.DMatrix(x, y, nthread=1)
        # The loop of xgboost.train without its callbacks, which take a fifth of the time.
        booster = xgboost.Booster(settings, [examples])
        for step in range(BOOSTING_ROUNDS):
            booster.update(examples, step)
        answers[0, i] = booster.inplace_predict(query[None])[0]
    return answers
