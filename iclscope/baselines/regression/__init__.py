"""What regression makes of a prompt: the baselines of Garg et al. 2022 (arXiv 2208.01066)."""

from iclscope.baselines.regression.baselines import REGRESSION_BASELINES, baseline_errors
from iclscope.baselines.regression.lasso_paths import LASSO_ALPHAS, lasso, lasso_path_predictions
from iclscope.baselines.regression.linear import averaging, least_squares
from iclscope.baselines.regression.neighbours import nearest_neighbours
from iclscope.baselines.regression.network import two_layer_network
from iclscope.baselines.regression.trees import boosted_trees, greedy_tree

__all__ = [
    "LASSO_ALPHAS",
    "REGRESSION_BASELINES",
    "averaging",
    "baseline_errors",
    "boosted_trees",
    "greedy_tree",
    "lasso",
    "lasso_path_predictions",
    "least_squares",
    "nearest_neighbours",
    "two_layer_network",
]
