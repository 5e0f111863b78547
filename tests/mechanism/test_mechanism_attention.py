"""Attention concentration and projections, by hand and against the reference."""

from __future__ import annotations

import math

import pytest
import reference
import torch

from iclscope.mechanism import attention_concentration, projections
from iclscope.models import SoftmaxReLUTransformer
from iclscope.tasks import PatternClassification, PatternPrompts

TASK = PatternClassification(M1=4, M2=3, d_X=8, d_Y=3, length=6, beta=2.0)


def tiny_prompts(mask: list[bool] | None = None) -> PatternPrompts:
    """One prompt of unit patterns μ_0, μ_1, μ_2, one ν, and q; context μ_0, μ_1, μ_0, μ_2, query μ_0."""
    relevant = torch.tensor([[[0, 1, 0, 2]]])
    return PatternPrompts(
        dictionary=torch.eye(5, dtype=torch.float64)[None],
        relevant=relevant,
        irrelevant=torch.full_like(relevant, 3),
        kappa=torch.zeros(1, 1, 4, dtype=torch.float64),
        signs=torch.tensor([[[1.0, -1.0, 1.0, 1.0]]], dtype=torch.float64),
        query_relevant=torch.tensor([[0]]),
        query_irrelevant=torch.tensor([[3]]),
        query_kappa=torch.zeros(1, 1, dtype=torch.float64),
        labels=torch.ones(1, 1, dtype=torch.float64),
        d_X=4,
        mask=None if mask is None else torch.tensor([[mask]]),
    )


def tiny_model(delta: float) -> SoftmaxReLUTransformer:
    return SoftmaxReLUTransformer(d_X=4, d_Y=1, width=2, delta=delta, dtype=torch.float64)


def test_concentration_by_hand() -> None:
    """Scores are δ² on the two columns that match and 0 on the two others."""
    for delta in (0.0, 0.1, 1.5):
        match = math.exp(delta**2)
        found = attention_concentration(tiny_model(delta), tiny_prompts())
        assert found.tolist() == pytest.approx([2 * match / (2 * match + 2)])
    match = math.exp(4.0)
    masked = attention_concentration(tiny_model(2.0), tiny_prompts([True, True, False, True]))
    assert masked.tolist() == pytest.approx([match / (match + 2)])


def test_a_prompt_without_the_querys_pattern_is_left_out() -> None:
    assert math.isnan(attention_concentration(tiny_model(1.0), tiny_prompts([False, True, False, True])).item())
    one, other = tiny_prompts(), tiny_prompts([False, True, False, True])
    both = PatternPrompts(
        dictionary=one.dictionary,
        d_X=one.d_X,
        mask=torch.cat([torch.ones(1, 1, 4, dtype=torch.bool), other.mask], dim=1),
        **{
            name: torch.cat([getattr(one, name), getattr(other, name)], dim=1)
            for name in PatternPrompts.__dataclass_fields__
            if name not in ("dictionary", "d_X", "mask")
        },
    )
    together = attention_concentration(tiny_model(1.0), both)
    assert together.tolist() == pytest.approx(attention_concentration(tiny_model(1.0), one).tolist())


@pytest.mark.parametrize("length", [6, (1, 6)])
def test_concentration_equals_the_reference(length: int | tuple[int, int]) -> None:
    model = SoftmaxReLUTransformer(seeds=2, d_X=8, d_Y=3, width=2, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in (model.W_Q, model.W_K):
            weight.copy_(0.4 * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    prompts = TASK.replace(length=length).sampler([0, 1], dtype=torch.float64).prompts(10, purpose="test")
    dense = prompts.dense()
    batch = reference.Batch(dense.columns, dense.query, dense.labels, dense.mask)
    weights = {name: weight.detach() for name, weight in model.state_dict().items()}
    found = attention_concentration(model, prompts)
    for run, answers in enumerate(reference.predict(weights, batch)):
        sums = []
        for prompt, answer in enumerate(answers):
            wanted = int(prompts.query_relevant[run, prompt])
            exists = [True] * 6 if prompts.mask is None else prompts.mask[run, prompt].tolist()
            same = [
                there and j == wanted for j, there in zip(prompts.relevant[run, prompt].tolist(), exists, strict=True)
            ]
            if any(same):
                sums.append(sum(float(a) for a, yes in zip(answer.attention, same, strict=True) if yes))
        assert float(found[run]) == pytest.approx(sum(sums) / len(sums), rel=1e-12)


def test_projections_of_initial_weights_by_hand() -> None:
    """W_Q = W_K = δ on inputs, so both project x = μ + κν to δx, of which δ‖μ‖ lies along μ."""
    model = SoftmaxReLUTransformer(d_X=8, d_Y=3, delta=0.15, dtype=torch.float64)
    prompts = TASK.sampler([0], dtype=torch.float64).prompts(40, purpose="test")
    found = projections(model, prompts)
    assert found.query_relevant.tolist() == pytest.approx([0.15 * 2.0])
    assert found.key_relevant.tolist() == pytest.approx([0.15 * 2.0])
    lengths = [0.15 * 2.0 * math.sqrt(1 + kappa**2) for kappa in prompts.query_kappa.flatten().tolist()]
    assert found.query.tolist() == pytest.approx([sum(lengths) / len(lengths)])
    lengths = [0.15 * 2.0 * math.sqrt(1 + kappa**2) for kappa in prompts.kappa.flatten().tolist()]
    assert found.key.tolist() == pytest.approx([sum(lengths) / len(lengths)])


def test_projections_of_any_weights_written_out() -> None:
    model = SoftmaxReLUTransformer(seeds=2, d_X=8, d_Y=3, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in (model.W_Q, model.W_K):
            weight.copy_(torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    prompts = TASK.sampler([0, 1], dtype=torch.float64).prompts(7, purpose="test")
    dense, found = prompts.dense(), projections(model, prompts)
    W_Q, W_K = model.W_Q.detach(), model.W_K.detach()
    for run in range(2):
        query, query_along, key, key_along = [], [], [], []
        for prompt in range(7):
            unit = prompts.dictionary[run] / prompts.dictionary[run].norm(dim=1, keepdim=True)
            image = W_Q[run] @ dense.query[run, prompt]
            query.append(float(image.norm()))
            query_along.append(float(image @ unit[prompts.query_relevant[run, prompt]]))
            for s in range(6):
                image = W_K[run] @ dense.columns[run, prompt, s]
                key.append(float(image.norm()))
                key_along.append(float(image @ unit[prompts.relevant[run, prompt, s]]))
        expected = [sum(values) / len(values) for values in (query, query_along, key, key_along)]
        assert [float(values[run]) for values in found] == pytest.approx(expected)


@pytest.mark.parametrize(
    "m_a",
    [
        9,
        14,
        4,
    ],
)
def test_projections_with_another_number_of_query_rows(m_a: int) -> None:
    """The image of μ under the initial W_Q has m_a entries, more or fewer than a column."""
    model = SoftmaxReLUTransformer(d_X=8, d_Y=3, m_a=m_a, delta=0.15, dtype=torch.float64)
    prompts = TASK.sampler([0], dtype=torch.float64).prompts(5, purpose="test")
    found = projections(model, prompts)
    patterns = prompts.dictionary[0, prompts.query_relevant[0], :8]
    expected = 0.15 * float(patterns[:, :m_a].norm(dim=1).mean())
    if m_a >= 8:
        assert expected == pytest.approx(0.15 * 2.0)
        assert found.query_relevant.tolist() == pytest.approx([expected])
        assert found.key_relevant.tolist() == pytest.approx([expected])
    else:  # the parts along the image also hold a share of κν, whose image is no longer at a right angle
        images = 0.15 * prompts.query[0, :, :m_a]
        units = patterns[:, :m_a] / patterns[:, :m_a].norm(dim=1, keepdim=True)
        assert found.query_relevant.tolist() == pytest.approx([float((images * units).sum(dim=1).mean())])


def test_projections_leave_out_columns_that_do_not_exist() -> None:
    model = tiny_model(1.0)
    with torch.no_grad():
        model.W_K[0, 2, 2] = 5.0  # only μ_2, the last column, is long
    found = projections(model, tiny_prompts([True, True, True, False]))
    assert found.key.tolist() == pytest.approx([1.0])
    assert found.key_relevant.tolist() == pytest.approx([1.0])


def test_without_any_column_there_is_nothing_to_measure() -> None:
    """Figures begin at length 0: NaN, not an error."""
    model = SoftmaxReLUTransformer(d_X=8, d_Y=3, delta=0.15, dtype=torch.float64)
    prompts = TASK.replace(length=0).sampler([0], dtype=torch.float64).prompts(5, purpose="test")
    found = projections(model, prompts)
    assert found.query_relevant.tolist() == pytest.approx([0.15 * 2.0])
    assert math.isnan(found.key.item())
    assert math.isnan(attention_concentration(model, prompts).item())
