"""The table of errors from Python: intervals, scales, and what is refused."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
import torch

import iclscope as icl
from iclscope.core.errors import BadRequest
from iclscope.evaluation import changed_task, error_table, errors_by_length
from iclscope.models import GPT2Transformer, SoftmaxReLUTransformer
from iclscope.tasks import FunctionClass, PatternClassification

LINEAR = FunctionClass(d_X=3, length=4)
FUNCTIONS = ("linear", "sparse_linear", "decision_tree", "relu_network", "quadratic", "linear_classification")


def model_of(seeds: Any = (0, 1), *, trained_on: Any = LINEAR, **settings: Any) -> GPT2Transformer:
    sizes = {"d_X": 3, "positions": 12, "layers": 1, "heads": 1, "embedding": 4}
    model = GPT2Transformer(seeds=seeds, **{**sizes, **settings})
    model.trained_on = None if trained_on is None else (trained_on,) * model.run_count
    return model


@pytest.mark.parametrize("function", FUNCTIONS)
def test_predicting_zero_scores_one_on_an_orthogonal_query(function: Any) -> None:
    for length in (1, 3, 4):
        task = FunctionClass(
            function=function, d_X=5, length=length, inputs="orthogonal_query", predictions="query", depth=2, width=9
        )
        prompts = task.sampler([0]).prompts(20_000, purpose="test")
        squares = prompts.labels.double().square()
        error = 5 * float(squares.std()) / 20_000**0.5 + 1e-6
        assert float(squares.mean()) == pytest.approx(task.scale_at_query, abs=error)


def test_elsewhere_the_scale_is_the_task_s_own() -> None:
    for function in FUNCTIONS:
        task = FunctionClass(function=function, d_X=5, inputs="orthants", predictions="query", x_scale=2.0)
        assert task.scale_at_query == task.scale


def test_runs_that_answer_the_same_prompts_do_not_count_twice() -> None:
    model = model_of(seeds=(3,))
    once, twice = (error_table(m, LINEAR, prompts=50, baselines=["3-NN"]) for m in (model, model.runs([0, 0])))
    assert twice["runs"].to_list() == [2] * 10
    for column in ("error", "low", "high", "standard_error"):
        assert twice[column].to_list() == pytest.approx(once[column].to_list())


def test_more_runs_on_prompts_of_their_own_make_the_interval_shorter() -> None:
    model = model_of(seeds=(0,) * 9)
    same, own = (error_table(model, LINEAR, prompts=400, seeds=seeds) for seeds in ([0] * 9, list(range(9))))
    widths = [table["high"] - table["low"] for table in (same, own)]
    assert (widths[1] / widths[0]).to_list() == pytest.approx([1 / 3] * 5, rel=0.25)


def test_a_bootstrap_interval_covers_the_mean_over_many_prompts() -> None:
    """Nine intervals of ten: of 60, between 45 and 60."""
    model = model_of(seeds=(0,))
    many = errors_by_length(model, LINEAR, prompts=20_000, seeds=[999]).mean[0].numpy()
    tables = [error_table(model, LINEAR, prompts=100, seeds=[seed]) for seed in range(60)]
    covered = sum((table["low"].to_numpy() <= many) & (many <= table["high"].to_numpy()) for table in tables)
    assert min(covered) >= 45
    assert sum(covered) < 60 * len(many)


def test_lengths_that_are_asked_for_are_those_of_all() -> None:
    model = model_of()
    for task in (LINEAR, changed_task(model, inputs="orthants")):
        assert isinstance(task, FunctionClass)
        every, some = (error_table(model, task, prompts=20, baselines=["averaging"], lengths=k) for k in (None, [4, 2]))
        assert every.filter(pl.col("length").is_in([2, 4])).equals(some)
    for lengths in ([5], [-1], [0, 9], []):
        with pytest.raises(BadRequest, match="lengths"):
            errors_by_length(model, LINEAR, lengths=lengths)


def test_a_task_with_new_settings() -> None:
    model = model_of()
    assert changed_task(model) == LINEAR
    assert changed_task(model, noise=2.0) == LINEAR.replace(noise=2.0)
    apart = {"inputs": "orthogonal_query", "predictions": "query"}
    assert changed_task(model, inputs="orthogonal_query") == LINEAR.replace(**apart, length=2)
    assert changed_task(model, inputs="orthogonal_query", length=1) == LINEAR.replace(**apart, length=1)
    short = model_of(trained_on=LINEAR.replace(length=1))
    assert changed_task(short, inputs="orthogonal_query") == LINEAR.replace(**apart, length=1)
    assert changed_task(model_of(trained_on=None)) == LINEAR.replace(length=5)
    columns = model_of(trained_on=None, tokens="columns")
    assert changed_task(columns) == LINEAR.replace(length=11, predictions="query")
    model.trained_on = (LINEAR, LINEAR.replace(y_scale=2.0))
    with pytest.raises(BadRequest, match="give y_scale"):
        changed_task(model)
    assert changed_task(model, y_scale=1.0) == LINEAR
    patterns = PatternClassification(M1=4, M2=2, d_X=6, d_Y=3, length=5)
    one_layer = SoftmaxReLUTransformer(d_X=6, d_Y=3, seeds=2)
    one_layer.trained_on = (patterns, patterns.replace(alpha=0.4))
    assert changed_task(one_layer, length=9) == (patterns.replace(length=9), patterns.replace(length=9, alpha=0.4))


@pytest.mark.parametrize("told", [None, (), (LINEAR,), (LINEAR, PatternClassification())])
def test_models_whose_task_cannot_be_known(told: Any) -> None:
    model = SoftmaxReLUTransformer(d_X=3, d_Y=1, seeds=2)
    model.trained_on = told
    with pytest.raises(BadRequest, match="trained_on"):
        changed_task(model)


def test_refusals_from_python() -> None:
    model = model_of()
    one_layer = SoftmaxReLUTransformer(seeds=2)
    for name, call in {
        "prompts": lambda: error_table(model, LINEAR, prompts=1),
        "names": lambda: error_table(model, LINEAR, baselines=["nosuch"], prompts=2),
        "d_X": lambda: error_table(model, LINEAR.replace(d_X=4)),
        "at most 5": lambda: error_table(model, LINEAR.replace(length=6)),
        "x_scale": lambda: error_table(model, LINEAR.replace(x_scale=1e200)),
        "baselines": lambda: error_table(one_layer, PatternClassification(), baselines=["3-NN"]),
        "lengths": lambda: error_table(one_layer, PatternClassification(), lengths=[1]),
        "inputs": lambda: changed_task(model_of(d_X=1, trained_on=FunctionClass(d_X=1)), inputs="orthogonal_query"),
    }.items():
        with pytest.raises(BadRequest, match=name):
            call()


def test_the_risks_of_patterns_are_those_of_evaluate_at_its_own_number_of_prompts() -> None:
    task = PatternClassification(M1=4, M2=2, d_X=6, d_Y=3, length=5)
    model = icl.train(SoftmaxReLUTransformer(d_X=6, d_Y=3, width=6, seeds=2), task, steps=5, batch_size=16).model
    risks = icl.evaluate(model, task)
    table = error_table(model, task)
    assert table["value"].to_list() == pytest.approx([float(torch.mean(values)) for values in risks], rel=1e-12)
    assert set(table["prompts"]) == {4096}
