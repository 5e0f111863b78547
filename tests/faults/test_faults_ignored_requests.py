"""What a caller asks for is done, or refused: nothing is passed over in silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from refusals import says

import iclscope as icl
from iclscope.models import LinearAttentionConfig
from iclscope.sweeps.file.sweep_file import Sweep
from iclscope.tasks import FunctionClass, LinearRegression, PatternClassification, PatternShift
from iclscope.training.trial import Training, Trial

LINEAR = LinearRegression(d_X=3, length=5)
PATTERNS = PatternClassification(M1=3, M2=4, d_X=8, d_Y=8, length=6, alpha=0.8, check_condition=False)
BASE: dict[str, Any] = {
    "task": {"kind": "linear_regression", "d_X": 3, "length": 5},
    "model": {"kind": "linear_attention", "d_X": 3},
    "training": {"loss": "squared", "optimizer": "adam", "learning_rate": 0.01, "steps": 3, "batch_size": 4},
}


def linear_model(**settings: Any) -> icl.models.LinearAttention:
    return icl.models.LinearAttention(d_X=3, **settings)


def pattern_model(**settings: Any) -> icl.models.SoftmaxReLUTransformer:
    return icl.models.SoftmaxReLUTransformer(d_X=8, d_Y=8, width=6, **settings)


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], *, within: float = 0.0) -> bool:
    return all(torch.allclose(one[name], other[name], rtol=0, atol=within) for name in one)


def few_steps(task: Any, model: Any, **settings: Any) -> dict[str, torch.Tensor]:
    return weights(icl.train(model, task, **{"steps": 3, "batch_size": 8, **settings}).model)


# Weights that may not change


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("frozen", ["W_KQ", "W_PV"])
def test_a_frozen_matrix_stays_and_the_other_one_moves(frozen: str, optimizer: Any) -> None:
    model = linear_model(seeds=2, initial_scale=0.5)
    before = weights(model)
    dict(model.named_parameters())[frozen].requires_grad_(False)
    after = few_steps(LINEAR, model, optimizer=optimizer, learning_rate=0.05)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == set(before) - {frozen}


@pytest.mark.parametrize("frozen", sorted(weights(pattern_model())))
def test_each_weight_of_the_one_layer_model_can_be_frozen(frozen: str) -> None:
    model = pattern_model(seeds=2)
    before = weights(model)
    dict(model.named_parameters())[frozen].requires_grad_(False)
    result = icl.train(model, PATTERNS, steps=2, batch_size=16, learning_rate=1.0).model
    after = weights(result)
    assert torch.equal(after[frozen], before[frozen])
    assert any(not torch.equal(after[name], before[name]) for name in before)
    assert not dict(result.named_parameters())[frozen].requires_grad


def test_a_single_step_with_frozen_weights_is_that_of_all_weights_on_the_others() -> None:
    frozen = linear_model(initial_scale=0.5)
    dict(frozen.named_parameters())["W_KQ"].requires_grad_(False)
    one = few_steps(LINEAR, frozen, steps=1, optimizer="sgd", learning_rate=0.1)
    all_of_them = few_steps(LINEAR, linear_model(initial_scale=0.5), steps=1, optimizer="sgd", learning_rate=0.1)
    assert torch.allclose(one["W_PV"], all_of_them["W_PV"], atol=1e-7)
    assert not torch.allclose(one["W_KQ"], all_of_them["W_KQ"], atol=1e-7)


def test_a_frozen_half_of_gpt2_stays() -> None:
    model = icl.models.GPT2Transformer(d_X=2, layers=1, heads=1, embedding=8, positions=12)
    for name, value in model.named_parameters():
        value.requires_grad_("mlp" in name)
    before = weights(model)
    after = few_steps(FunctionClass(d_X=2, length=3), model, steps=2, batch_size=4)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all("mlp" in name for name in moved)


# Classes of the caller's


class Noisy(LinearRegression):
    """Says that its answers have no noise and draws much of it."""

    def sampler(self, seeds: Sequence[int], **options: Any) -> Any:
        return LinearRegression(d_X=3, length=self.length, noise=2.0).sampler(seeds, **options)


class WithoutRelevantExamples(PatternClassification):
    """Says α = 0.8 and draws contexts without any relevant example."""

    def sampler(self, seeds: Sequence[int], **options: Any) -> Any:
        return PatternClassification(**{**PATTERNS.model_dump(), "alpha": 0.0}).sampler(seeds, **options)


class NoisyFunctions(FunctionClass):
    """The same for functions."""

    def sampler(self, seeds: Sequence[int], **options: Any) -> Any:
        return FunctionClass(d_X=2, length=3, noise=2.0).sampler(seeds, **options)


class Silent(icl.models.LinearAttention):
    """Answers 0 to everything."""

    def predict(self, prompts: Any) -> Any:
        answered = super().predict(prompts)
        return answered._replace(output=torch.zeros_like(answered.output))


def test_training_asks_a_sampler_of_the_callers() -> None:
    told, drawn = Noisy(d_X=3, length=5), LinearRegression(d_X=3, length=5, noise=2.0)
    after = few_steps(told, linear_model(seeds=2))
    assert same(after, few_steps(drawn, linear_model(seeds=2)))
    assert not same(after, few_steps(LINEAR, linear_model(seeds=2)))


def test_training_on_patterns_asks_a_sampler_of_the_callers() -> None:
    def plainly(task: PatternClassification) -> dict[str, torch.Tensor]:
        rates, sampler = torch.ones(2), task.sampler([0, 1])
        train = icl.training.train_runs
        settings: Any = {"learning_rate": rates, "steps": 3, "batch_size": 8, "autograd": True}
        return dict(train(pattern_model(seeds=2), sampler, **settings).weights)

    after = few_steps(WithoutRelevantExamples(**PATTERNS.model_dump()), pattern_model(seeds=2), learning_rate=1.0)
    assert same(after, plainly(PATTERNS.replace(alpha=0.0)), within=1e-5)
    assert not same(after, plainly(PATTERNS), within=1e-5)


def test_a_callers_task_among_others_is_refused_by_name_rather_than_taken_for_plain() -> None:
    told = WithoutRelevantExamples(**PATTERNS.model_dump())
    with pytest.raises(icl.BadRequest, match="WithoutRelevantExamples"):
        few_steps([PATTERNS, told], pattern_model(seeds=2))


def test_evaluation_asks_a_sampler_of_the_callers() -> None:
    model = linear_model(initial_scale=0.5)

    def errors(task: Any) -> torch.Tensor:
        errors: torch.Tensor = icl.evaluate(model, task, prompts=32).errors
        return errors

    told = errors(Noisy(d_X=3, length=5))
    assert torch.equal(told, errors(LinearRegression(d_X=3, length=5, noise=2.0)))
    assert not torch.equal(told, errors(LINEAR))


def test_evaluation_on_patterns_asks_a_sampler_of_the_callers() -> None:
    model = pattern_model(seeds=2)
    told = icl.evaluate(model, WithoutRelevantExamples(**PATTERNS.model_dump()), prompts=256)
    drawn = icl.evaluate(model, PATTERNS.replace(alpha=0.0), prompts=256)
    plain = icl.evaluate(model, PATTERNS, prompts=256)
    assert torch.allclose(told.hinge_risk, drawn.hinge_risk, atol=1e-6)
    assert not torch.allclose(told.hinge_risk, plain.hinge_risk, atol=1e-6)


def test_tables_of_errors_and_of_baselines_ask_a_sampler_of_the_callers() -> None:
    names, drawn = ["averaging"], FunctionClass(d_X=2, length=3, noise=2.0)
    table = icl.evaluation.baseline_errors_by_length
    told = table(names, NoisyFunctions(d_X=2, length=3), [0], prompts=16)["averaging"].errors
    assert torch.equal(told, table(names, drawn, [0], prompts=16)["averaging"].errors)
    model = icl.models.GPT2Transformer(d_X=2, layers=1, heads=1, embedding=8, positions=12)
    by_length = icl.evaluation.errors_by_length
    own = by_length(model, NoisyFunctions(d_X=2, length=3), prompts=16).errors
    assert torch.equal(own, by_length(model, drawn, prompts=16).errors)
    assert not torch.equal(own, by_length(model, FunctionClass(d_X=2, length=3), prompts=16).errors)


def test_changed_settings_keep_the_callers_class() -> None:
    assert isinstance(Noisy(d_X=3, length=5).replace(length=7), Noisy)


def test_evaluation_asks_a_prediction_of_the_callers() -> None:
    silent = icl.evaluate(Silent(d_X=3, initial_scale=0.5), LINEAR, prompts=2048).errors
    assert abs(silent.mean().item() - 1) < 0.1
    loud = icl.evaluate(linear_model(initial_scale=0.5), LINEAR, prompts=2048).errors
    assert abs(loud.mean().item() - 1) > 0.1


def test_a_trial_cannot_pass_over_a_sampler_of_the_callers() -> None:
    with pytest.raises(icl.BadRequest):
        Trial(
            task=Noisy(d_X=3, length=5),
            model=LinearAttentionConfig(d_X=3),
            training=Training(loss="squared", optimizer="adam"),
        )


# Losses, zeros, designs, empty tests


@pytest.mark.parametrize("loss", ["hinge", "squared"])
@pytest.mark.parametrize("task", [LINEAR, FunctionClass(d_X=3, length=4, predictions="query")])
def test_training_takes_a_loss_exactly_where_a_trial_takes_it(task: Any, loss: Any) -> None:
    def refusal(request: Callable[[], object]) -> str:
        try:
            request()
        except icl.BadRequest as error:
            return str(error)
        return ""

    model, training = LinearAttentionConfig(d_X=3), Training(loss=loss, optimizer="adam")
    by_trial = refusal(lambda: Trial(task=task, model=model, training=training))
    by_training = refusal(lambda: icl.train(linear_model(), task, loss=loss, steps=1, batch_size=2))
    assert says(by_trial, "loss = 'hinge'") == says(by_training, "loss = 'hinge'") == (loss == "hinge")
    assert bool(by_training) == (loss == "hinge")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LINEAR.replace(noise=0.0), LINEAR.replace(noise=-0.0)),
        (LINEAR.replace(weight=(0.0, 1.0, 2.0)), LINEAR.replace(weight=(-0.0, 1.0, 2.0))),
        (LINEAR.replace(x_scale=2), LINEAR.replace(x_scale=2.0)),
    ],
)
def test_equal_numbers_are_one_trial(one: LinearRegression, other: LinearRegression) -> None:
    def name(task: LinearRegression) -> str:
        model, training = LinearAttentionConfig(d_X=3), Training(loss="squared", optimizer="adam")
        return Trial(task=task, model=model, training=training).hash

    assert name(one) == name(other)
    assert name(one) != name(LINEAR.replace(noise=0.25, x_scale=3.0))


def test_zero_is_one_number_in_patterns_and_in_their_shifts() -> None:
    assert Trial(task=PatternClassification(K=0.0)).hash == Trial(task=PatternClassification(K=-0.0)).hash
    shifts = [PatternShift(coefficients=((zero, 1.0, 0.0),) * 3, strict=False) for zero in (0.0, -0.0)]
    hashes = {Trial(task=PATTERNS.replace(shift=shift), model=pattern_model().config).hash for shift in shifts}
    assert len(hashes) == 1


@pytest.mark.parametrize("values", [[0.0, -0.0], [0, 0.0], [1, 1.0]])
def test_a_sweep_does_not_train_equal_numbers_twice(values: list[float]) -> None:
    with pytest.raises(icl.BadRequest, match=r"task\.noise"):
        list(Sweep(base=BASE, vary={"task.noise": values}, seeds=1).trials())


@pytest.mark.parametrize("kind", ["random", "sobol"])
@pytest.mark.parametrize(
    "axes",
    [
        {"vary": {"task.length": [4, 6]}},
        {"vary": {"task.noise": {"from": 0, "to": 1, "count": 5}}},
        {"vary": {"task.length": {"from": 4, "to": 6, "integer": True}}},
        {"together": [{"task.length": [4, 6, 8], "task.noise": [0, 1, 2]}]},
        {"vary": {"task.length": [4, 6], "task.noise": [0, 1, 2]}},
    ],
)
def test_a_design_of_more_samples_than_points_is_refused(kind: str, axes: dict[str, Any]) -> None:
    with pytest.raises(icl.BadRequest, match=r"samples: expected .*, got 8"):
        list(Sweep(base=BASE, design={"kind": kind, "samples": 8, "seed": 0}, seeds=1, **axes).trials())  # type: ignore[arg-type]


def test_a_design_of_numbers_without_end_has_as_many_trials_as_were_asked_for() -> None:
    design: Any = {"kind": "random", "samples": 8, "seed": 0}
    planned = list(Sweep(base=BASE, vary={"task.noise": {"from": 0, "to": 1}}, design=design, seeds=2).trials())
    assert len({trial.trial.hash for trial in planned}) == 16


@pytest.mark.parametrize(
    "test",
    [
        {"task": {"length": 0}},
        {"vary": {"length": [4, 0]}},
        {"vary": {"length": {"from": 0, "to": 4, "count": 3, "integer": True}}},
    ],
)
def test_a_sweep_refuses_tests_without_an_example(test: dict[str, Any]) -> None:
    with pytest.raises(icl.BadRequest, match=r"length: expected .*, got 0"):
        list(Sweep(base=BASE, tests={"empty": test}).trials())  # type: ignore[dict-item]


def test_tests_whose_prompts_may_have_no_example_are_refused() -> None:
    with pytest.raises(icl.BadRequest, match="length"):
        list(Sweep(paper="li2024", tests={"some": {"task": {"length": [0, 4]}}}).trials())  # type: ignore[dict-item]
    with pytest.raises(icl.BadRequest, match="length"):
        icl.evaluate(pattern_model(), PATTERNS.replace(length=(0, 4)), prompts=8)
