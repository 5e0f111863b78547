"""What all regression baselines have in common, and the table of their errors."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from iclscope.baselines.regression import (
    REGRESSION_BASELINES,
    baseline_errors,
    baselines,
    greedy_tree,
    lasso_path_predictions,
    least_squares,
    pool,
    two_layer_network,
)
from iclscope.core.errors import BadRequest

# As in the table, but for the network's thousand steps.
QUICK: dict[str, Callable[..., Tensor]] = {
    **REGRESSION_BASELINES,
    "two-layer network": partial(two_layer_network, steps=8, width=10),
}
NAMES = [
    "least squares", "averaging", "3-NN", "Lasso, α = 1", "Lasso, α = 0.1", "Lasso, α = 0.01", "Lasso, α = 0.001",
    "Lasso, α = 0.0001", "greedy tree", "XGBoost", "two-layer network",
]  # fmt: skip
INSTANT = ["least squares", "averaging", "3-NN", "greedy tree"]


def make_points(points: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Linear functions at normal inputs: 2 runs of 3 prompts in 4 dimensions."""
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(2, 3, points, 4, generator=draw).to(dtype)
    return inputs, inputs @ torch.tensor([1.0, -2.0, 0.5, 0.0], dtype=dtype)


def make_prompts(k: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    inputs, targets = make_points(k + 1, dtype)
    return inputs[:, :, :k], targets[:, :, :k], inputs[:, :, k]


def test_the_names() -> None:
    assert list(REGRESSION_BASELINES) == NAMES


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_seen_is_answered_with_zero(name: str, dtype: torch.dtype) -> None:
    answers = QUICK[name](*make_prompts(0, dtype))
    assert answers.dtype == dtype
    assert torch.equal(answers, torch.zeros(2, 3, dtype=dtype))


@pytest.mark.parametrize("name", NAMES)
def test_no_prompts_are_no_answers(name: str) -> None:
    assert QUICK[name](torch.zeros(2, 0, 3, 4), torch.zeros(2, 0, 3), torch.zeros(2, 0, 4)).shape == (2, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_precision_shape_and_untouched_arguments(name: str, dtype: torch.dtype) -> None:
    prompts = make_prompts(6, dtype)
    before = [tensor.clone() for tensor in prompts]
    state = torch.get_rng_state()
    answers = QUICK[name](*prompts)
    assert answers.dtype == dtype
    assert answers.shape == (2, 3)
    assert torch.isfinite(answers).all()
    assert not answers.requires_grad
    assert all(torch.equal(tensor, old) for tensor, old in zip(prompts, before, strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(QUICK[name](*prompts), answers)
    doubles = QUICK[name](*(tensor.double() for tensor in prompts))
    torch.testing.assert_close(answers.double(), doubles, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_any_batch_shape_and_prompts_alone(name: str) -> None:
    """Runs and prompts are only places; the first prompt is answered as it is alone."""
    inputs, targets, query = make_prompts(5)
    answers = QUICK[name](inputs, targets, query)
    flat = QUICK[name](inputs.flatten(0, 1), targets.flatten(0, 1), query.flatten(0, 1))
    torch.testing.assert_close(flat, answers.flatten())
    torch.testing.assert_close(QUICK[name](inputs[0, 0], targets[0, 0], query[0, 0]), answers[0, 0])


def test_one_example() -> None:
    inputs, targets, query = make_prompts(1)
    x, y = inputs[..., 0, :], targets[..., 0]
    along = (x * query).sum(-1)
    torch.testing.assert_close(QUICK["least squares"](inputs, targets, query), y * along / x.square().sum(-1))
    torch.testing.assert_close(QUICK["averaging"](inputs, targets, query), y * along)
    for name in ("3-NN", "greedy tree", "XGBoost"):
        torch.testing.assert_close(QUICK[name](inputs, targets, query), y, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", [*INSTANT, "Lasso, α = 0.01"])
def test_errors_against_single_answers(name: str) -> None:
    inputs, targets = make_points(8)
    lengths = [5, 0, 7, 1]
    errors = baseline_errors([name], inputs, targets, lengths)[name]
    assert errors.shape == (2, 3, 4)
    for i, k in enumerate(lengths):
        for run in range(2):
            for prompt in range(3):
                x, y = inputs[run, prompt], targets[run, prompt]
                answer = REGRESSION_BASELINES[name](x[:k], y[:k], x[k])
                torch.testing.assert_close(errors[run, prompt, i], (answer - y[k]) ** 2, rtol=1e-6, atol=1e-12)


def test_the_answer_itself_is_not_seen() -> None:
    inputs, targets = make_points(6)
    later = targets.clone()
    later[:, :, 3:] += 10
    names = [*INSTANT, "Lasso, α = 0.1", "XGBoost"]
    first, second = (baseline_errors(names, inputs, values, [3]) for values in (targets, later))
    for name in names:
        # (p − y)² and (p − y − 10)² give p, which must be the same.
        answers = targets[..., 3:4] + (first[name] - second[name] + 100) / 20
        torch.testing.assert_close((answers - targets[..., 3:4]).square(), first[name], rtol=1e-6, atol=1e-9)


def test_all_lassos_share_one_path(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[float]] = []

    def counted(*prompts: Tensor, **settings: int) -> Tensor:
        calls.append(list(prompts[3]))
        return lasso_path_predictions(*prompts, **settings)

    monkeypatch.setattr(baselines, "lasso_path_predictions", counted)
    names = ["Lasso, α = 0.01", "least squares", "Lasso, α = 1"]
    inputs, targets = make_points(6)
    errors = baseline_errors(names, inputs, targets, [2, 5])
    assert calls == [[0.01, 1.0]] * 2
    assert list(errors) == names
    for name in names:
        for i, k in enumerate((2, 5)):
            answers = REGRESSION_BASELINES[name](inputs[:, :, :k], targets[:, :, :k], inputs[:, :, k])
            torch.testing.assert_close(errors[name][..., i], (answers - targets[:, :, k]).square())


def test_least_squares_errs_until_it_has_seen_all_dimensions() -> None:
    errors = baseline_errors(["least squares"], *make_points(7), range(7))["least squares"].mean((0, 1))
    assert (errors[:4] > 0.01).all()
    assert (errors[4:] < 1e-20).all()


def test_jobs_are_shared_out_and_joined_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes to other processes survives the way there; they are not started, which would take seconds."""
    asked = []

    def parallel(n_jobs: int, **settings: object) -> Callable[..., list[object]]:
        asked.append(n_jobs)
        sent = lambda jobs: [pickle.loads(pickle.dumps(job)) for job in jobs]  # noqa: E731
        return lambda jobs: [fit(*arrays, **more) for fit, arrays, more in sent(jobs)]

    names = ["greedy tree", "Lasso, α = 0.1", "XGBoost"]
    inputs, targets = make_points(5)
    one = baseline_errors(names, inputs, targets, [4])
    monkeypatch.setattr(pool, "Parallel", parallel)
    for size, workers in ((4, 2), (1, 5), (6, 1), (64, 1)):  # the second job of four is smaller
        monkeypatch.setattr(pool, "_PROMPTS_PER_JOB", size)
        shared = baseline_errors(names, inputs, targets, [4], processes=5)
        assert all(torch.equal(one[name], shared[name]) for name in names)
        assert asked[-len(names) :] == [workers] * len(names)


def test_no_names_or_no_lengths_are_no_errors() -> None:
    inputs, targets = make_points(3)
    assert baseline_errors([], inputs, targets, [1]) == {}
    assert baseline_errors(["averaging"], inputs, targets, [])["averaging"].shape == (2, 3, 0)


@pytest.mark.parametrize(
    ("names", "lengths", "processes", "option"),
    [
        (["ridge"], [1], 1, r"names: expected .*, got 'ridge'"),
        (["averaging", "Lasso"], [1], 1, r"names: expected .*, got 'Lasso'"),
        (["averaging"], [3], 1, r"context_lengths: expected .*, got 3"),
        (["averaging"], [0, -1], 1, r"context_lengths: expected .*, got -1"),
        (["averaging"], [1], 0, r"processes: expected .*, got 0"),
    ],
)
def test_refusals(names: list[str], lengths: list[int], processes: int, option: str) -> None:
    with pytest.raises(BadRequest, match=option):
        baseline_errors(names, *make_points(3), lengths, processes=processes)


def test_too_few_processes_are_refused() -> None:
    with pytest.raises(BadRequest, match="processes"):
        greedy_tree(*make_prompts(2), processes=0)


def test_xgboost_is_imported_only_when_it_fits() -> None:
    """Importing it takes more than a second; a fresh interpreter would show it, and take as long."""
    for path in Path(pool.__file__).parent.glob("*.py"):
        at_once = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if "xgboost" in ast.unparse(node)]
        assert not [node for node in at_once if isinstance(node, ast.Import | ast.ImportFrom)], path


def test_gradients_of_the_arguments_do_not_matter() -> None:
    inputs, targets, query = make_prompts(4)
    inputs.requires_grad_()
    expected = least_squares(inputs.detach(), targets, query)
    torch.testing.assert_close(least_squares(inputs, targets, query).detach(), expected)
    assert torch.isfinite(greedy_tree(inputs, targets, query)).all()
