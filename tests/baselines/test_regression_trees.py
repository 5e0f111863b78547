"""Trees, against the libraries' own estimators fitted prompt by prompt."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.tree import DecisionTreeRegressor
from torch import Tensor
from xgboost import XGBRegressor

from iclscope.baselines.regression import boosted_trees, greedy_tree

Prompts = tuple[Tensor, Tensor, Tensor]


def make_prompts(batch: int, k: int, d: int = 5, dtype: torch.dtype = torch.float64) -> Prompts:
    """A step of one coordinate plus noise."""
    draw = torch.Generator().manual_seed(k)
    inputs, query, noise = (torch.randn(batch, *shape, generator=draw) for shape in ((k, d), (d,), (k,)))
    return inputs.to(dtype), (inputs[..., 0].sign() + 0.1 * noise).to(dtype), query.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", [1, 2, 20])
def test_greedy_tree_against_single_fits(k: int, dtype: torch.dtype) -> None:
    inputs, targets, query = make_prompts(12, k, dtype=dtype)
    expected = [
        DecisionTreeRegressor(random_state=0).fit(x, y).predict(q[None])[0]
        for x, y, q in zip(inputs.numpy(), targets.numpy(), query.numpy(), strict=True)
    ]
    assert greedy_tree(inputs, targets, query).tolist() == expected


def test_a_greedy_tree_interpolates() -> None:
    inputs, targets, _ = make_prompts(8, 15)
    for i in range(15):
        torch.testing.assert_close(greedy_tree(inputs, targets, inputs[:, i]), targets[:, i])


def test_repeated_inputs_are_answered_with_the_mean_of_their_targets() -> None:
    inputs, targets, _ = make_prompts(8, 6)
    twice, two = torch.cat((inputs, inputs), dim=1), torch.cat((targets + 1, targets - 0.5), dim=1)
    torch.testing.assert_close(greedy_tree(twice, two, inputs[:, 0]), targets[:, 0] + 0.25)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", [1, 2, 25])
def test_boosted_trees_against_the_estimator(k: int, dtype: torch.dtype) -> None:
    inputs, targets, query = make_prompts(6, k, dtype=dtype)
    expected = []
    for x, y, q in zip(inputs.numpy(), targets.numpy(), query.numpy(), strict=True):
        model = XGBRegressor(n_estimators=50, max_depth=4, learning_rate=0.1, tree_method="exact", n_jobs=1)
        expected.append(model.fit(x, y).predict(q[None])[0])
    np.testing.assert_array_equal(boosted_trees(inputs, targets, query).float(), expected)


def test_boosted_trees_of_equal_targets_answer_with_them() -> None:
    inputs, _, query = make_prompts(3, 7)
    answers = boosted_trees(inputs, torch.full((3, 7), 1.75, dtype=torch.float64), query)
    torch.testing.assert_close(answers, torch.full((3,), 1.75, dtype=torch.float64), rtol=1e-6, atol=0)


def test_trees_see_a_step_that_least_squares_cannot() -> None:
    inputs, targets, query = make_prompts(40, 60)
    for answer in (greedy_tree, boosted_trees):
        errors = (answer(inputs, targets, query) - query[..., 0].sign()).square()
        assert float(errors.mean()) < 0.2, answer
