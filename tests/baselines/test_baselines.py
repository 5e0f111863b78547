"""Classical classifiers on the contexts of prompts, against scikit-learn called prompt by prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from iclscope.baselines import CLASSIFIERS, Baseline, baseline_names, classifier_outputs, per_prompt
from iclscope.core.errors import BadRequest
from iclscope.tasks import FunctionClass
from iclscope.tasks.patterns import PatternClassification, PatternPrompts, PatternSampler

ALL = tuple(CLASSIFIERS)
TASK = PatternClassification(M1=4, M2=6, d_X=10, d_Y=6, alpha=0.6, length=7)

# What the paper names, as anybody would write it down; not taken from the package.
REFERENCE: dict[str, Callable[[], Any]] = {
    "logistic regression": LogisticRegression,
    "SVM, Gaussian kernel": lambda: SVC(kernel="rbf", gamma="scale", C=1.0),
    "SVM, linear kernel": lambda: SVC(kernel="linear", C=1.0),
    "1-NN": lambda: KNeighborsClassifier(1),
    "3-NN": lambda: KNeighborsClassifier(3),
}


def make_prompts(batch: int = 12, seeds: tuple[int, ...] = (0, 1), **changes: Any) -> PatternPrompts:
    task = TASK.replace(**changes)
    return PatternSampler([task] * len(seeds), seeds).prompts(batch, purpose="a test")


def contexts(prompts: PatternPrompts) -> list[list[tuple[Any, Any, Any]]]:
    """Inputs, labels and query of every prompt of every run, read off the dense prompts, label part included."""
    dense = prompts.dense()
    q = prompts.dictionary[:, -1, TASK.d_X :]
    found = []
    for run in range(dense.columns.shape[0]):
        of_run = []
        for prompt in range(dense.columns.shape[1]):
            columns = dense.columns[run, prompt].double().numpy()
            labels = np.sign(columns[:, TASK.d_X :] @ q[run].double().numpy())
            of_run.append((columns[:, : TASK.d_X], labels, dense.query[run, prompt, : TASK.d_X].double().numpy()))
        found.append(of_run)
    return found


def test_the_five_classifiers_of_the_paper() -> None:
    assert set(CLASSIFIERS) == set(REFERENCE)


def test_against_direct_fits() -> None:
    prompts = make_prompts()
    answers = classifier_outputs(ALL, prompts, processes=1)
    assert set(answers) == set(REFERENCE)
    compared = 0
    for run, of_run in enumerate(contexts(prompts)):
        for prompt, (inputs, labels, query) in enumerate(of_run):
            if len(set(labels)) == 1:
                continue
            compared += 1
            for name, make in REFERENCE.items():
                expected = make().fit(inputs, labels).predict(query[None])[0]
                assert answers[name][run, prompt] == expected, (name, run, prompt)
    assert compared >= 15


def test_answers_are_labels_and_the_classifiers_differ() -> None:
    answers = classifier_outputs(ALL, make_prompts(40), processes=1)
    for values in answers.values():
        assert values.shape == (2, 40)
        assert set(np.unique(values)) == {-1.0, 1.0}
    assert any(not np.array_equal(answers["1-NN"], values) for name, values in answers.items() if name != "1-NN")


def test_they_answer_better_than_a_coin_and_not_from_the_answer() -> None:
    prompts = make_prompts(30, alpha=1.0, length=12)
    labels = prompts.labels.numpy()
    answers = classifier_outputs(ALL, prompts, processes=1)
    for name, values in answers.items():
        assert (values == labels).mean() > 0.8, name
    # The query's own label is not given to anybody.
    again = classifier_outputs(ALL, replace(prompts, labels=-prompts.labels), processes=1)
    assert all(np.array_equal(again[name], values) for name, values in answers.items())


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_context_of_one_label_is_answered_with_it(sign: float) -> None:
    prompts = make_prompts()
    one_label = replace(prompts, signs=torch.full_like(prompts.signs, sign))
    for values in classifier_outputs(ALL, one_label, processes=1).values():
        assert (values == sign).all()


@pytest.mark.parametrize("length", [1, 2, 3])
def test_short_contexts(length: int) -> None:
    prompts = make_prompts(20, length=length)
    answers = classifier_outputs(ALL, prompts, processes=1)
    mixed = 0
    for run, of_run in enumerate(contexts(prompts)):
        for prompt, (inputs, labels, query) in enumerate(of_run):
            if len(set(labels)) == 1:
                assert all(values[run, prompt] == labels[0] for values in answers.values())
                continue
            mixed += 1
            nearest = labels[np.argmin(((inputs - query) ** 2).sum(axis=1))]
            assert answers["1-NN"][run, prompt] == nearest
            three = KNeighborsClassifier(min(3, length)).fit(inputs, labels).predict(query[None])[0]
            assert answers["3-NN"][run, prompt] == three
    assert (mixed == 0) == (length == 1)


def test_the_number_of_processes_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(per_prompt, "_PROMPTS_PER_JOB", 9)  # several jobs, the last one smaller, runs cut in two
    prompts = make_prompts(20)
    one, two = (classifier_outputs(ALL, prompts, processes=count) for count in (1, 2))
    assert all(np.array_equal(one[name], two[name]) for name in CLASSIFIERS)


def test_a_prompt_is_answered_alone() -> None:
    """Neither the other prompts nor the other runs enter."""
    both, second = make_prompts(), make_prompts(seeds=(1,))
    together, alone = (classifier_outputs(ALL, prompts, processes=1) for prompts in (both, second))
    assert all(np.array_equal(together[name][1], alone[name][0]) for name in CLASSIFIERS)


def test_prompts_of_varying_length_are_refused() -> None:
    with pytest.raises(BadRequest, match="length"):
        classifier_outputs(ALL, make_prompts(length=(3, 7)))


def test_a_baseline_answers_prompts_as_a_model_does() -> None:
    prompts = make_prompts(20)
    answered = Baseline("1-NN").predict(prompts)
    expected = classifier_outputs(["1-NN"], prompts, processes=1)["1-NN"]
    assert answered.output.numpy() == pytest.approx(expected)
    assert (answered.attention, answered.hidden) == (None, None)


@pytest.mark.parametrize("name", ["least squares", "3-NN", "Lasso, α = 0.1"])
def test_a_regression_answers_at_the_query_or_at_every_x(name: str) -> None:
    task = FunctionClass(d_X=3, length=5)
    sampler = task.sampler([0, 1], dtype=torch.float64)
    every = Baseline(name).predict(sampler.prompts(4, purpose="test")).output
    assert every.shape == (2, 4, 6)
    alone = task.replace(predictions="query").sampler([0, 1], dtype=torch.float64).prompts(4, purpose="test")
    torch.testing.assert_close(Baseline(name).predict(alone).output, every[:, :, -1])


def test_baselines_refuse_what_they_cannot_answer() -> None:
    functions = FunctionClass(d_X=3, length=5, predictions="query").sampler([0]).prompts(2, purpose="test")
    with pytest.raises(BadRequest, match=r"expected one of .*least squares.*got '4-NN'"):
        Baseline("4-NN")
    with pytest.raises(BadRequest, match=r"for patterns.*'least squares'"):
        Baseline("least squares").predict(make_prompts(2))
    with pytest.raises(BadRequest, match=r"for real answers.*'1-NN'"):
        Baseline("1-NN").predict(functions)
    assert set(CLASSIFIERS) < set(baseline_names())
