"""What a caller's class says counts: its sampler, its prompts, its way to predict, wherever something is faster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

import iclscope as icl
from iclscope.core.errors import BadRequest
from iclscope.evaluation.answers import answers_of
from iclscope.models import (
    GPT2Transformer,
    LinearAttention,
    SoftmaxAttention,
    SoftmaxReLUConfig,
    SoftmaxReLUTransformer,
)
from iclscope.models.pattern_engine.engine import draws_compiled, is_compiled
from iclscope.tasks import (
    CountPrompts,
    FunctionClass,
    LinearRegression,
    OrthonormalFeatures,
    PatternClassification,
    PatternPrompts,
    PatternSampler,
    PromptSampler,
    SineRegression,
    Task,
    stack_tasks,
)
from iclscope.training.trial import Trial

SIZES: dict[str, Any] = {"M1": 3, "M2": 2, "d_X": 5, "d_Y": 2, "length": 4}
GPT2: dict[str, Any] = {"layers": 1, "heads": 2, "embedding": 8, "positions": 16}


class FlippedSampler(PatternSampler):
    """Every label of a query the other way round; ``asked`` counts the batches of all its copies."""

    asked: list[str]

    def prompts(self, batch: int, **settings: Any) -> PatternPrompts:
        from dataclasses import replace

        self.asked.append(settings["purpose"])
        prompts = super().prompts(batch, **settings)
        return replace(prompts, labels=-prompts.labels)


class Flipped(PatternClassification):
    def sampler(self, seeds: Sequence[int], **settings: Any) -> PatternSampler:
        made = FlippedSampler([self] * len(seeds), seeds, **settings)
        made.asked = []
        return made


class ByHand:
    """A sampler that is derived from nothing, around a plain one."""

    def __init__(self, plain: Any, scale: float) -> None:
        self.plain, self.scale = plain, scale

    def prompts(self, batch: int, *, purpose: str, step: int = 0, size: Any = None) -> Any:
        from dataclasses import replace

        prompts = self.plain.prompts(batch, purpose=purpose, step=step, size=size)
        return replace(prompts, values=prompts.values * self.scale, answers=prompts.answers * self.scale)

    def runs(self, indices: Sequence[int]) -> ByHand:
        return ByHand(self.plain.runs(indices), self.scale)


def one_layer(**settings: Any) -> SoftmaxReLUTransformer:
    return SoftmaxReLUTransformer(seeds=2, d_X=5, d_Y=2, width=4, **settings)


def train(task: Any, model: Any, **settings: Any) -> Any:
    return icl.train(model, task, **{"steps": 3, "batch_size": 8, **settings}).model


def equal(one: Any, other: Any) -> bool:
    return all(torch.equal(weight, other.state_dict()[name]) for name, weight in one.state_dict().items())


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_tasks_own_sampler_draws_what_is_trained_on(optimizer: Any) -> None:
    settings = {"optimizer": optimizer, "learning_rate": 0.1}
    plain, own = (train(task, one_layer(), **settings) for task in (PatternClassification(**SIZES), Flipped(**SIZES)))
    assert not equal(plain, own)
    # With all labels flipped, a model whose output has the other sign has the same losses.
    turned = one_layer()
    turned.load_state_dict({**turned.state_dict(), "a": -turned.a})
    mirrored = train(PatternClassification(**SIZES), turned, **settings)
    for name in ("W_Q", "W_K", "W_V", "W_O"):
        torch.testing.assert_close(own.state_dict()[name], mirrored.state_dict()[name], rtol=1e-3, atol=1e-5)


def test_a_tasks_own_sampler_draws_what_is_tested_on() -> None:
    model = train(PatternClassification(**SIZES), one_layer(), steps=60)
    plain, own = (icl.evaluate(model, task, prompts=200) for task in (PatternClassification(**SIZES), Flipped(**SIZES)))
    torch.testing.assert_close(own.classification_error, 1 - plain.classification_error)
    assert not torch.equal(own.hinge_risk, plain.hinge_risk)
    samplers = [task(**SIZES).sampler(model.seeds) for task in (PatternClassification, Flipped)]
    labels = [asked.labels for sampler in samplers for _, asked in answers_of(model, sampler, 9, 9)]
    assert len(labels) == 2
    assert torch.equal(labels[0], -labels[1])
    rows = [
        icl.evaluation.error_table(model, task, prompts=9)
        for task in (PatternClassification(**SIZES), Flipped(**SIZES))
    ]
    assert not rows[0].equals(rows[1])


def test_a_sampler_of_the_callers_stays_what_it_is_when_runs_leave() -> None:
    sampler = Flipped(**SIZES).sampler([3, 4, 5])
    fewer = sampler.runs([2, 0])
    assert type(fewer) is FlippedSampler
    assert fewer.asked is sampler.asked
    whole = sampler.prompts(6, purpose="test").labels
    assert torch.equal(fewer.prompts(6, purpose="test").labels, whole[[2, 0]])


@pytest.mark.parametrize(
    ("base", "model"),
    [
        (LinearRegression(d_X=3, length=4), lambda: LinearAttention(seeds=2, d_X=3, initial_scale=0.3)),
        (FunctionClass(d_X=3, length=4), lambda: GPT2Transformer(seeds=2, d_X=3, **GPT2)),
        (SineRegression(length=4), lambda: GPT2Transformer(seeds=2, d_X=1, **GPT2)),
        (OrthonormalFeatures(K=3, d_X=3, length=4), lambda: SoftmaxAttention(seeds=2, d_X=3)),
    ],
)
def test_any_object_with_prompts_and_runs_is_a_sampler(base: Task, model: Any) -> None:
    class Larger(type(base)):  # type: ignore[misc]
        def sampler(self, seeds: Sequence[int], **settings: Any) -> Any:
            return ByHand(super().sampler(seeds, **settings), 3.0)

    own = Larger(**base.model_dump())
    settings = {"optimizer": "sgd", "learning_rate": 0.05}
    trained = [train(task, model(), **settings) for task in (base, own)]
    assert not equal(*trained)
    one, other = (icl.evaluate(trained[0], task, prompts=7) for task in (base, own))
    assert one.errors.shape == other.errors.shape
    assert not torch.equal(one.errors, other.errors)


def test_a_function_class_of_the_callers_is_tested_at_every_length() -> None:
    class Negated(FunctionClass):
        def sampler(self, seeds: Sequence[int], **settings: Any) -> Any:
            return ByHand(super().sampler(seeds, **settings), -1.0)

    model = GPT2Transformer(seeds=1, d_X=3, **GPT2)
    for predictions in ("every", "query"):
        settings: dict[str, Any] = {"d_X": 3, "length": 3, "predictions": predictions}
        one, other = (
            icl.evaluation.errors_by_length(model, task, prompts=6)
            for task in (FunctionClass(**settings), Negated(**settings))
        )
        assert one.lengths == other.lengths == (0, 1, 2, 3)
        for length in range(4):
            assert not torch.equal(one.errors[..., length], other.errors[..., length])


def test_a_changed_task_keeps_its_class() -> None:
    assert type(Flipped(**SIZES).replace(alpha=0.5)) is Flipped


def test_runs_of_different_tasks_have_no_one_sampler_of_the_callers() -> None:
    tasks = [Flipped(**SIZES), Flipped(**SIZES, alpha=0.5)]
    with pytest.raises(BadRequest, match="the same task for all runs, where its class has a sampler of its own"):
        train(tasks, one_layer())
    with pytest.raises(BadRequest, match="the same task for all runs, where its class has a sampler of its own"):
        icl.evaluate(one_layer(), [PatternClassification(**SIZES), Flipped(**SIZES)])
    assert type(stack_tasks([Flipped(**SIZES)] * 2, [0, 1])) is FlippedSampler


def test_what_the_callers_sampler_gives_must_be_one() -> None:
    class Nothing(FunctionClass):
        def sampler(self, *_: Any, **settings: Any) -> Any:
            del settings

    with pytest.raises(
        BadRequest, match=r"^sampler of Nothing: expected an object with prompts\(…\) and runs\(…\), got None"
    ):
        stack_tasks([Nothing(d_X=3)], [0])


def test_plain_tasks_are_drawn_by_compiled_code() -> None:
    plain = PatternClassification(**SIZES).sampler([0, 1])
    assert draws_compiled(plain)
    assert draws_compiled(plain.runs([1]))
    assert not draws_compiled(Flipped(**SIZES).sampler([0]))
    assert not draws_compiled(PromptSampler(FunctionClass(d_X=3), [0]))
    plain.prompts = lambda *_, **__: None  # type: ignore[method-assign]
    assert not draws_compiled(plain)


class Louder(SoftmaxReLUTransformer):
    def predict(self, prompts: Any, **settings: Any) -> Any:
        said = super().predict(prompts, **settings)
        return said._replace(output=3 * said.output)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_models_own_predict_is_trained(optimizer: Any) -> None:
    task = PatternClassification(**SIZES)
    settings: dict[str, Any] = {"optimizer": optimizer, "learning_rate": 0.1}
    own = train(task, Louder(seeds=2, d_X=5, d_Y=2, width=4), **settings)
    assert type(own) is Louder
    assert not equal(own, train(task, one_layer(), **settings))
    one, other = icl.evaluate(own, task, prompts=50), icl.evaluate(_plain(own), task, prompts=50)
    assert not torch.equal(one.hinge_risk, other.hinge_risk)


def _plain(model: SoftmaxReLUTransformer) -> SoftmaxReLUTransformer:
    copy = one_layer()
    copy.load_state_dict(model.state_dict())
    return copy


def test_a_model_may_be_given_another_predict() -> None:
    model = one_layer()
    assert is_compiled(model)
    plain = model.predict
    model.predict = lambda prompts, **_: plain(prompts)._replace(output=-plain(prompts).output)  # type: ignore[method-assign]
    assert not is_compiled(model)


def test_a_gpt2_of_the_callers_class_is_trained_as_such() -> None:
    class Half(GPT2Transformer):
        def predict(self, prompts: Any, **settings: Any) -> Any:
            said = super().predict(prompts, **settings)
            return said._replace(output=said.output / 2)

    task = FunctionClass(d_X=3, length=4)
    own, plain = (train(task, kind(seeds=2, d_X=3, **GPT2)) for kind in (Half, GPT2Transformer))
    assert type(own) is Half
    assert not equal(own, plain)


def test_calling_a_model_is_predicting() -> None:
    prompts = PatternClassification(**SIZES).sampler([0, 1]).prompts(3, purpose="test")
    model = Louder(seeds=2, d_X=5, d_Y=2, width=4)
    assert torch.equal(model(prompts).output, model.predict(prompts).output)


def test_a_forward_of_the_callers_would_never_be_called() -> None:
    class Forward(SoftmaxReLUTransformer):
        def forward(self, *prompts: Any, **settings: Any) -> Any:
            return super().forward(*prompts, **settings)

    model = Forward(seeds=2, d_X=5, d_Y=2, width=4)
    for call in (
        lambda: train(PatternClassification(**SIZES), model),
        lambda: icl.evaluate(model, PatternClassification(**SIZES)),
    ):
        with pytest.raises(BadRequest, match=r"^model: expected .*, got a Forward; override predict"):
            call()


def test_examples_read_otherwise_are_read_so_from_counts_too() -> None:
    class Doubled(SoftmaxAttention):
        def of_examples(self, examples: Any) -> Any:
            said = super().of_examples(examples)
            return said._replace(output=2 * said.output)

    task = OrthonormalFeatures(K=3, d_X=3, length=4, expectation="counts")
    prompts = task.sampler([0]).prompts(2, purpose="test")
    assert isinstance(prompts, CountPrompts)
    weights: dict[str, Tensor] = {"Q": torch.arange(9.0).reshape(1, 3, 3) / 9}
    plain, own = SoftmaxAttention(seeds=1, d_X=3), Doubled(seeds=1, d_X=3)
    for model in (plain, own):
        model.load_state_dict(weights)
    torch.testing.assert_close(own.predict(prompts).output, 2 * plain.predict(prompts).output)


def test_a_trial_is_of_a_class_that_its_settings_tell() -> None:
    class Otherwise(SoftmaxReLUConfig):
        pass

    named = "make a class of your own known with iclscope.register, or train it with iclscope.train"
    with pytest.raises(BadRequest, match=rf"^task: expected a task that its settings tell, got a Flipped; .*{named}"):
        Trial(task=Flipped(**SIZES), model=SoftmaxReLUConfig(d_X=5, d_Y=2))
    with pytest.raises(BadRequest, match=rf"^on.far: expected .*, got a Flipped; .*{named}"):
        Trial(
            task=PatternClassification(**SIZES),
            model=SoftmaxReLUConfig(d_X=5, d_Y=2),
            evaluation={"on": {"far": Flipped(**SIZES)}},
        )
    with pytest.raises(BadRequest, match=rf"^model: expected .*, got an Otherwise; .*{named}"):
        Trial(task=PatternClassification(**SIZES), model=Otherwise(d_X=5, d_Y=2))


def test_a_checkpoint_does_not_tell_a_task_that_settings_cannot(tmp_path: Any) -> None:
    model = train(Flipped(**SIZES), one_layer())
    with pytest.warns(
        UserWarning, match="the checkpoint does not tell what was trained on: settings do not tell a Flipped"
    ):
        model.save_pretrained(tmp_path)
    assert SoftmaxReLUTransformer.from_pretrained(tmp_path).trained_on is None
