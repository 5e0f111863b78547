"""Prompts as tokens: both ways of writing them against a loop over points, and where the query stands."""

from __future__ import annotations

import gpt2_reference
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_tasks_prompts import Case, cases
from torch import Tensor

from iclscope.core.errors import BadRequest
from iclscope.tasks import ExamplePrompts, FunctionClass, InContextExamples, PatternClassification


def drawn(seed: int, runs: int, batch: int, points: int, d_X: int, d_Y: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(runs, batch, points, d_X, generator=generator, dtype=torch.float64)
    return inputs, torch.randn(runs, batch, points, d_Y, generator=generator, dtype=torch.float64)


sizes = {
    "seed": st.integers(0, 2**20),
    "runs": st.integers(1, 2),
    "batch": st.integers(1, 3),
    "points": st.integers(1, 5),
    "d_X": st.integers(1, 4),
    "d_Y": st.integers(1, 4),
}


@given(case=st.fixed_dictionaries(sizes), form=st.sampled_from(["columns", "alternating"]), data=st.data())
def test_tokens_written_out(case: dict[str, int], form: str, data: st.DataObject) -> None:
    """Every number of every token, and the tokens at which predictions are read; queries at any place."""
    inputs, answers = drawn(**case)
    runs, batch, points, _ = inputs.shape
    place = st.integers(0, points - 1)
    query_at = torch.tensor(
        data.draw(st.lists(st.lists(place, min_size=batch, max_size=batch), min_size=runs, max_size=runs))
    )
    write = gpt2_reference.columns if form == "columns" else gpt2_reference.alternating
    tokens = InContextExamples(inputs, answers, query_at).tokens(form)
    assert tokens.read_at.shape == (runs, batch, 1)
    for run in range(runs):
        for prompt in range(batch):
            written = write(inputs[run, prompt].tolist(), answers[run, prompt].tolist(), int(query_at[run, prompt]))
            assert tokens.values[run, prompt].tolist() == written.vectors
            assert tokens.read_at[run, prompt].tolist() == written.read_at
            for point, at in enumerate(tokens.examples_at.tolist()):
                assert written.vectors[at][: case["d_X"]] == inputs[run, prompt, point].tolist()


@given(case=st.fixed_dictionaries(sizes))
def test_a_prediction_at_every_x_written_out(case: dict[str, int]) -> None:
    inputs, answers = drawn(**case)
    tokens = InContextExamples(inputs, answers).tokens("alternating")
    for run in range(case["runs"]):
        for prompt in range(case["batch"]):
            written = gpt2_reference.alternating(inputs[run, prompt].tolist(), answers[run, prompt].tolist(), None)
            assert tokens.values[run, prompt].tolist() == written.vectors
            assert tokens.read_at[run, prompt].tolist() == written.read_at == tokens.examples_at.tolist()
    assert tokens.values.shape[2] == 2 * case["points"] - 1


def test_columns_where_every_x_is_a_query_are_refused() -> None:
    inputs, answers = drawn(0, 1, 1, 3, 2, 1)
    with pytest.raises(BadRequest, match=r"^tokens: expected alternating"):
        InContextExamples(inputs, answers).tokens("columns")


@given(case=cases(), shortest=st.integers(0, 1))
def test_the_query_stands_right_behind_the_columns_that_exist(case: Case, shortest: int) -> None:
    """The examples of pattern prompts are their columns, read from left to right; behind the query is padding."""
    length = case.settings["length"]
    longest = length if isinstance(length, int) else length[1]
    settings = {**case.settings, "length": (shortest, longest) if isinstance(length, tuple) else length}
    prompts = Case(settings, case.shift, case.seeds).sampler().prompts(4, purpose="test")
    assert isinstance(prompts, ExamplePrompts)
    examples, dense = prompts.examples(), prompts.dense()
    runs, batch, length = prompts.kappa.shape
    assert examples.query_at is not None
    assert examples.inputs.shape == (runs, batch, length + 1, settings["d_X"])
    assert examples.answers.shape == (runs, batch, length + 1, settings["d_Y"])
    points = torch.cat([examples.inputs, examples.answers], dim=3)
    for run in range(runs):
        for prompt in range(batch):
            there = [True] * length if prompts.mask is None else prompts.mask[run, prompt].tolist()
            count = sum(there)
            assert there == [True] * count + [False] * (length - count)
            assert int(examples.query_at[run, prompt]) == count
            assert torch.equal(points[run, prompt, :count], dense.columns[run, prompt, :count])
            assert torch.equal(points[run, prompt, count], dense.query[run, prompt])


@pytest.mark.parametrize("context", ["independent", "exact"])
@pytest.mark.parametrize("length", [0, (0, 3)])
def test_a_prompt_without_context_is_the_query_alone(length: int | tuple[int, int], context: str) -> None:
    task = PatternClassification(M1=3, M2=2, d_X=5, d_Y=2, length=length, context=context)
    prompts = task.sampler([0, 1]).prompts(20, purpose="test")
    examples, dense = prompts.examples(), prompts.dense()
    assert examples.query_at is not None
    assert bool((examples.query_at == 0).any())
    alone = examples.query_at == 0
    assert torch.equal(examples.inputs[:, :, 0][alone], dense.query[alone][:, :5])
    for form in ("columns", "alternating"):
        tokens = examples.tokens(form)
        assert bool((tokens.read_at[alone] == 0).all())


@pytest.mark.parametrize("predictions", ["every", "query"])
def test_functions_as_examples(predictions: str) -> None:
    task = FunctionClass(d_X=3, length=4, predictions=predictions, noise=0.5)
    prompts = task.sampler([0, 1]).prompts(3, purpose="test")
    assert isinstance(prompts, ExamplePrompts)
    examples = prompts.examples()
    assert torch.equal(examples.inputs, prompts.inputs)
    assert torch.equal(examples.answers[..., 0], prompts.answers)
    assert not torch.equal(prompts.answers, prompts.values)
    if predictions == "every":
        assert examples.query_at is None
        assert torch.equal(prompts.labels, prompts.values)
    else:
        assert examples.query_at is not None
        assert examples.query_at.tolist() == [[4] * 3] * 2
        assert torch.equal(prompts.labels, prompts.values[:, :, 4])


def test_written_out_no_context_is_lost_where_only_some_queries_come_last() -> None:
    inputs = torch.arange(24, dtype=torch.float64).reshape(1, 2, 4, 3)
    answers = torch.ones(1, 2, 4, 1, dtype=torch.float64)
    query_at = torch.tensor([[3, 1]])
    dense = InContextExamples(inputs, answers, query_at).dense(torch.ones(1, 2, dtype=torch.float64))
    assert dense.mask is not None
    assert dense.mask.tolist() == [[[True, True, True, False], [True, False, False, False]]]
    assert torch.equal(dense.query[0, :, :3], torch.stack([inputs[0, 0, 3], inputs[0, 1, 1]]))
    together = InContextExamples(inputs, answers, torch.tensor([[3, 3]])).dense(torch.ones(1, 2, dtype=torch.float64))
    assert (together.mask, together.columns.shape[2]) == (None, 3), "nothing stands behind any query"
