"""Each class of functions, prompt by prompt in plain Python on the same drawn numbers, and its mean square."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from iclscope.core.random_streams import RandomStream
from iclscope.tasks import FunctionClass
from iclscope.tasks.function_classes import FunctionName, InputName, functions

shapes = st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 5), st.integers(1, 6))


def drawn(shape: tuple[int, int, int, int], seed: int) -> tuple[RandomStream, Tensor]:
    """A stream for functions, and inputs that do not come from it."""
    seeds = list(range(seed, seed + shape[0]))
    inputs = RandomStream.from_seeds(seeds, "some inputs").normal(*shape[1:])
    return RandomStream.from_seeds(seeds, "some functions"), inputs


def product(w: list[float], x: list[float]) -> float:
    return sum(a * b for a, b in zip(w, x, strict=True))


def assert_equals(found: Tensor, inputs: Tensor, value: Any) -> None:
    """``value(run, prompt, x)`` at every point."""
    runs, batch, points, _ = inputs.shape
    assert found.shape == (runs, batch, points)
    for run in range(runs):
        for prompt in range(batch):
            written = [value(run, prompt, x) for x in inputs[run, prompt].tolist()]
            assert found[run, prompt].tolist() == pytest.approx(written, rel=1e-10, abs=1e-12)


@given(shape=shapes, seed=st.integers(0, 1000))
def test_linear_quadratic_and_their_sign(shape: tuple[int, int, int, int], seed: int) -> None:
    stream, inputs = drawn(shape, seed)
    w = stream.normal(shape[1], shape[3]).tolist()
    assert_equals(functions.linear(stream, inputs), inputs, lambda run, p, x: product(w[run][p], x))
    assert_equals(
        functions.quadratic(stream, inputs),
        inputs,
        lambda run, p, x: product(w[run][p], [a * a for a in x]) / math.sqrt(3),
    )
    assert_equals(
        functions.linear_classification(stream, inputs),
        inputs,
        lambda run, p, x: math.copysign(1, product(w[run][p], x)),
    )


@given(shape=shapes, seed=st.integers(0, 1000), data=st.data())
def test_sparse_linear(shape: tuple[int, int, int, int], seed: int, data: st.DataObject) -> None:
    """The coordinates of the smallest of the uniform numbers are kept, among those that are switched on."""
    stream, inputs = drawn(shape, seed)
    sparsity, active = data.draw(st.integers(1, shape[3])), data.draw(st.integers(1, shape[3]))
    w, order = stream.normal(shape[1], shape[3]).tolist(), stream.at(1).uniform(shape[1], shape[3]).tolist()

    def value(run: int, prompt: int, x: list[float]) -> float:
        kept = sorted(range(active), key=lambda i: order[run][prompt][i])[:sparsity]
        return sum(w[run][prompt][i] * x[i] for i in kept)

    assert_equals(functions.sparse_linear(stream, inputs, sparsity, active), inputs, value)


@given(shape=shapes, seed=st.integers(0, 1000), width=st.integers(1, 4))
def test_relu_network(shape: tuple[int, int, int, int], seed: int, width: int) -> None:
    stream, inputs = drawn(shape, seed)
    first, second = stream.normal(shape[1], width, shape[3]).tolist(), stream.at(1).normal(shape[1], width).tolist()

    def value(run: int, prompt: int, x: list[float]) -> float:
        hidden = [max(0.0, product(row, x)) for row in first[run][prompt]]
        return math.sqrt(2 / width) * product(second[run][prompt], hidden)

    assert_equals(functions.relu_network(stream, inputs, width), inputs, value)


@given(shape=shapes, seed=st.integers(0, 1000), depth=st.integers(1, 4), data=st.data())
def test_decision_tree(shape: tuple[int, int, int, int], seed: int, depth: int, data: st.DataObject) -> None:
    """Walked from the root, node by node: 0 has the children 1 (no) and 2 (yes), 1 has 3 and 4, and so on."""
    stream, inputs = drawn(shape, seed)
    inner, active = 2**depth - 1, data.draw(st.integers(1, shape[3]))
    asked = stream.uniform(shape[1], inner).tolist()
    leaves = stream.at(1).normal(shape[1], 2**depth).tolist()

    def value(run: int, prompt: int, x: list[float]) -> float:
        node, questions = 0, 0
        while node < inner:
            coordinate = int(asked[run][prompt][node] * active)
            node = 2 * node + (2 if x[coordinate] > 0 else 1)
            questions += 1
        assert questions == depth
        return float(leaves[run][prompt][node - inner])

    assert_equals(functions.decision_tree(stream, inputs, depth, active), inputs, value)


def test_trees_reach_their_leaves_and_ask_for_all_coordinates() -> None:
    """A path may ask for a coordinate twice, as in the published code; some leaves are then out of reach."""
    inputs = RandomStream.from_seeds([0], "some inputs").normal(30, 500, 20)
    stream = RandomStream.from_seeds([0], "some functions")
    leaves = [len(set(prompt.tolist())) for prompt in functions.decision_tree(stream, inputs, 4, 20)[0]]
    assert max(leaves) == 16
    assert min(leaves) > 8
    for active in (20, 5, 1):
        kept = inputs.clone()
        kept[..., active:] = 100.0  # whoever asked for another coordinate would be told so
        values = functions.decision_tree(stream, kept, 4, active)
        other = functions.decision_tree(stream, kept.where(torch.arange(20) < active, -100.0), 4, active)
        assert torch.equal(values, other)


def weights_of(task: FunctionClass, seeds: list[int], batch: int) -> Tensor:
    """The weights of linear functions, read off at the unit vectors."""
    stream = RandomStream.from_seeds(seeds, "some functions")
    unit = torch.eye(task.d_X, dtype=torch.float64).expand(len(seeds), batch, -1, -1)
    return functions.sparse_linear(stream, unit, task.sparsity, task.d_X)


@pytest.mark.parametrize("sparsity", [1, 3, 20])
def test_sparse_weights_have_so_many_coordinates_each_as_likely(sparsity: int) -> None:
    w = weights_of(FunctionClass(function="sparse_linear", sparsity=sparsity), [0, 1], 2000)
    assert (w != 0).sum(dim=2).eq(sparsity).all()
    share = (w != 0).double().mean(dim=(0, 1))
    assert float((share - sparsity / 20).abs().max()) <= 5 * math.sqrt(sparsity / 20 * (1 - sparsity / 20) / 4000)
    kept = w[w != 0]
    assert float(kept.var()) == pytest.approx(1, abs=5 * math.sqrt(2 / len(kept)))


def mean_square(task: FunctionClass, point: int, prompts: int = 10_000) -> tuple[float, float]:
    """E f(x)² at one point, with its standard error."""
    values = task.sampler([0], dtype=torch.float64).prompts(prompts, purpose="test").values[0, :, point]
    squares = values.square()
    return float(squares.mean()), float(squares.std()) / math.sqrt(prompts)


CLASSES: dict[str, dict[str, Any]] = {name: {"function": name, "width": 20} for name in get_args(FunctionName)} | {
    "sparser": {"function": "sparse_linear", "sparsity": 1},
    "deeper": {"function": "decision_tree", "depth": 6},
    "narrower": {"function": "relu_network", "width": 3},
}


@pytest.mark.parametrize("scales", [{}, {"x_scale": 3.0}, {"y_scale": 0.5}, {"x_scale": 1 / 3, "y_scale": 2.0}])
@pytest.mark.parametrize("case", CLASSES)
def test_the_mean_square_is_the_scale(case: str, scales: dict[str, float]) -> None:
    task = FunctionClass(d_X=6, length=1, noise=0.7, **CLASSES[case], **scales)
    mean, error = mean_square(task, point=1)
    assert error < 0.05 * task.scale
    assert abs(mean - task.scale) < 5 * error + 1e-12


@pytest.mark.parametrize("function", ["linear", "sparse_linear", "relu_network", "decision_tree"])
@pytest.mark.parametrize("inputs", [name for name in get_args(InputName) if name != "orthogonal_query"])
def test_the_scale_holds_for_every_input_distribution_of_mean_square_one(function: Any, inputs: Any) -> None:
    predictions = "query" if inputs in ("orthants", "repeated_query") else "every"
    task = FunctionClass(d_X=5, length=2, function=function, inputs=inputs, predictions=predictions, width=20)
    for point in (0, 2):
        mean, error = mean_square(task, point)
        assert abs(mean - task.scale) < 5 * error + 1e-12, f"point {point}"


def test_published_scales() -> None:
    """Predicting 0 has squared error d on linear functions, s on sparse ones, 1 on trees (Garg 2022, Section 3)."""
    published = {"linear": 20, "sparse_linear": 3, "decision_tree": 1, "relu_network": 20}
    assert {name: FunctionClass(function=name).scale for name in published} == published
