"""The fast forward pass and its gradients against the plain reference."""

from __future__ import annotations

import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from torch import Tensor

from iclscope.core.errors import BadRequest
from iclscope.models import SoftmaxReLUTransformer
from iclscope.tasks import DensePrompts, FunctionClass, PatternClassification, PatternPrompts
from iclscope.training.losses import hinge_loss


def random_model(seed: int, runs: int, **sizes: int) -> SoftmaxReLUTransformer:
    """A model far from its initial values: every weight random, of a size that spreads the attention."""
    model = SoftmaxReLUTransformer(seeds=runs, dtype=torch.float64, **sizes)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(0.4 * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    return model


def batch_of(prompts: PatternPrompts | DensePrompts) -> reference.Batch:
    dense = prompts.dense() if isinstance(prompts, PatternPrompts) else prompts
    return reference.Batch(dense.columns, dense.query, dense.labels, dense.mask)


def assert_equals_reference(model: SoftmaxReLUTransformer, prompts: PatternPrompts | DensePrompts) -> None:
    prediction = model.predict(prompts)
    answers = reference.predict(
        {name: weight.detach() for name, weight in model.state_dict().items()}, batch_of(prompts)
    )
    output = torch.stack([torch.stack([answer.output for answer in run]) for run in answers])
    attention = torch.stack([torch.stack([torch.stack(answer.attention) for answer in run]) for run in answers])
    hidden = torch.stack([torch.stack([torch.stack(answer.hidden) for answer in run]) for run in answers])
    assert prediction.output.shape == output.shape
    for fast, slow in ((prediction.output, output), (prediction.attention, attention), (prediction.hidden, hidden)):
        torch.testing.assert_close(fast.detach(), slow, rtol=1e-12, atol=1e-12)


def weight_gradients(model: SoftmaxReLUTransformer, prompts: PatternPrompts | DensePrompts) -> dict[str, Tensor]:
    risk = hinge_loss(model.predict(prompts).output, prompts.labels).mean(dim=1).sum()
    names = [name for name, _ in model.named_parameters()]
    return dict(zip(names, torch.autograd.grad(risk, list(model.parameters())), strict=True))


def assert_gradients_equal(model: SoftmaxReLUTransformer, prompts: PatternPrompts | DensePrompts) -> None:
    fast = weight_gradients(model, prompts)
    slow = reference.gradients(model.state_dict(), batch_of(prompts))
    assert set(fast) == set(slow) == {"W_Q", "W_K", "W_V", "W_O"}
    assert any(bool(gradient.any()) for gradient in slow.values())
    for name in slow:
        torch.testing.assert_close(fast[name], slow[name], rtol=1e-10, atol=1e-10)


cases = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**20),
        "runs": st.integers(1, 2),
        "batch": st.integers(1, 3),
        "M1": st.integers(3, 4),
        "M2": st.integers(1, 3),
        "spare": st.integers(0, 2),
        "d_Y": st.integers(1, 3),
        "width": st.integers(1, 5),
        "m_a": st.none() | st.integers(1, 10),
        "m_b": st.none() | st.integers(1, 10),
        "length": st.integers(1, 4) | st.sampled_from([(1, 4), (2, 5)]),
        "sparse": st.booleans(),
    }
)


def drawn(case: dict[str, object]) -> tuple[SoftmaxReLUTransformer, PatternPrompts | DensePrompts]:
    c = dict(case)
    d_X = c["M1"] + c["M2"] + c["spare"]
    model = random_model(c["seed"], c["runs"], d_X=d_X, d_Y=c["d_Y"], width=c["width"], m_a=c["m_a"], m_b=c["m_b"])
    task = PatternClassification(M1=c["M1"], M2=c["M2"], d_X=d_X, d_Y=c["d_Y"], alpha=0.6, length=c["length"])
    seeds = [c["seed"] + run for run in range(c["runs"])]
    prompts = task.sampler(seeds, dtype=torch.float64).prompts(c["batch"], purpose="test")
    return model, prompts if c["sparse"] else prompts.dense()


@given(case=cases)
def test_predict_equals_the_reference(case: dict[str, object]) -> None:
    assert_equals_reference(*drawn(case))


@given(case=cases, scale=st.floats(0.1, 3))
def test_predict_reads_columns_that_are_not_patterns(case: dict[str, object], scale: float) -> None:
    model, prompts = drawn({**case, "sparse": False})
    generator = torch.Generator().manual_seed(7)
    columns = scale * torch.randn(prompts.columns.shape, generator=generator, dtype=torch.float64)
    query = scale * torch.randn(prompts.query.shape, generator=generator, dtype=torch.float64)
    assert_equals_reference(model, DensePrompts(columns, query, prompts.labels, prompts.mask))


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("length", [4, (1, 5)])
@pytest.mark.parametrize(("m_a", "m_b"), [(None, None), (3, 11), (12, 4)])
def test_gradients_of_the_hinge_loss_equal_the_reference(
    sparse: bool, length: int | tuple[int, int], m_a: int | None, m_b: int | None
) -> None:
    sizes = {"M1": 3, "M2": 3, "d_Y": 2, "width": 6, "spare": 1, "m_a": m_a, "m_b": m_b}
    model, prompts = drawn({"seed": 3, "runs": 2, "batch": 4, "length": length, "sparse": sparse, **sizes})
    assert_gradients_equal(model, prompts)


def test_attention_sums_to_one_and_is_zero_where_no_column_is() -> None:
    task = PatternClassification(M1=3, M2=3, d_X=6, d_Y=2, length=(1, 6))
    prompts = task.sampler([0, 1], dtype=torch.float64).prompts(20, purpose="test")
    attention = random_model(0, 2, d_X=6, d_Y=2, width=3).predict(prompts).attention
    assert prompts.mask is not None
    assert not prompts.mask.all()
    torch.testing.assert_close(attention.sum(dim=2), torch.ones(2, 20, dtype=torch.float64))
    assert bool((attention[~prompts.mask] == 0).all())
    assert bool((attention[prompts.mask] > 0).all())


def test_what_lies_behind_the_mask_does_not_matter() -> None:
    task = PatternClassification(M1=3, M2=3, d_X=6, d_Y=2, length=(1, 6))
    dense = task.sampler([0], dtype=torch.float64).prompts(8, purpose="test").dense()
    model = random_model(0, 1, d_X=6, d_Y=2, width=3)
    assert dense.mask is not None
    changed = torch.where(dense.mask[..., None], dense.columns, 5.0)
    other = DensePrompts(changed, dense.query, dense.labels, dense.mask)
    assert torch.equal(model.predict(dense).output, model.predict(other).output)


def test_large_scores_do_not_overflow() -> None:
    columns = torch.tensor([[[[300.0, 0.0], [0.0, 1.0]]]])
    prompts = DensePrompts(columns, torch.tensor([[[300.0, 0.0]]]), torch.tensor([[1.0]]))
    attention = SoftmaxReLUTransformer(d_X=1, d_Y=1, delta=1.0).predict(prompts).attention
    assert attention.tolist() == [[[1.0, 0.0]]]


def test_pruned_neurons_are_rows_of_zeros() -> None:
    task = PatternClassification(M1=3, M2=3, d_X=6, d_Y=2, length=5)
    prompts = task.sampler([0, 1], dtype=torch.float64).prompts(9, purpose="test")
    model = random_model(0, 2, d_X=6, d_Y=2, width=7)
    neurons = torch.rand(2, 7, generator=torch.Generator().manual_seed(1)) < 0.5
    zeroed = model.runs([0, 1])
    with torch.no_grad():
        zeroed.W_O[~neurons] = 0
    torch.testing.assert_close(model.predict(prompts, neurons=neurons).output, zeroed.predict(prompts).output)
    everyone = torch.ones(2, 7, dtype=torch.bool)
    assert torch.equal(model.predict(prompts, neurons=everyone).output, model.predict(prompts).output)


def test_calling_a_model_predicts() -> None:
    task = PatternClassification(M1=3, M2=3, d_X=6, d_Y=2, length=5)
    prompts = task.sampler([0], dtype=torch.float64).prompts(3, purpose="test")
    model = random_model(0, 1, d_X=6, d_Y=2, width=3)
    assert torch.equal(model(prompts).output, model.predict(prompts).output)


def test_a_task_of_other_dimensions_is_refused() -> None:
    task = PatternClassification(M1=3, M2=3, d_X=6, d_Y=2)
    with pytest.raises(BadRequest, match=r"\(6, 2\).*\(6, 3\)"):
        SoftmaxReLUTransformer(d_X=6, d_Y=2).check_task(task.replace(d_Y=3))
    SoftmaxReLUTransformer(d_X=6, d_Y=2).check_task(task)


def test_functions_are_read_as_columns() -> None:
    """Prompts without columns of their own are written out: [x; y] before the query, whatever the task."""
    task = FunctionClass(d_X=6, length=4, predictions="query")
    prompts = task.sampler([0], dtype=torch.float64).prompts(3, purpose="test")
    model = random_model(0, 1, d_X=6, d_Y=1, width=3)
    columns = torch.cat([prompts.inputs, prompts.answers[..., None]], dim=3)[:, :, :-1]
    query = torch.nn.functional.pad(prompts.inputs[:, :, -1], (0, 1))
    expected = model.predict(DensePrompts(columns, query, prompts.labels))
    assert torch.equal(model.predict(prompts).output, expected.output)
    with pytest.raises(BadRequest, match=r"predictions: expected .*one query per prompt.*, got 'every'"):
        model.predict(task.replace(predictions="every").sampler([0]).prompts(3, purpose="test"))


def test_shapes_are_checked_in_these_tests() -> None:
    """The import hook of tests/conftest.py is at work; if this fails, no shape is checked anywhere."""
    with pytest.raises(TypeCheckError):
        hinge_loss(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(TypeCheckError):
        DensePrompts(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 5), torch.zeros(1, 2))
