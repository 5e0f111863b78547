"""Weights that the caller froze stay as they are, bit by bit, in every model, with every rule, on every path."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import iclscope as icl
from iclscope.core.errors import BadRequest
from iclscope.models import (
    FeatureAttention,
    GPT2Transformer,
    InterleavedAttention,
    LinearAttention,
    Model,
    SoftmaxAttention,
    SoftmaxReLUTransformer,
)
from iclscope.models.pattern_engine.engine import is_compiled
from iclscope.models.pattern_engine.gradients import PatternGradients
from iclscope.tasks import LinearRegression, OrthonormalFeatures, PatternClassification, SineRegression, stack_tasks
from iclscope.training import Curriculum, Probe
from iclscope.training.gradients import AutogradGradients, gradients_of
from iclscope.training.losses import hinge_loss
from iclscope.training.optimizers import UpdateRule

PATTERNS = PatternClassification(M1=3, M2=2, d_X=5, d_Y=2, length=4)
LINEAR = LinearRegression(d_X=3, length=4)
GPT2: dict[str, Any] = {"layers": 2, "heads": 2, "embedding": 8, "positions": 16}
MODELS: dict[str, tuple[Any, Any]] = {
    "one layer": (PATTERNS, lambda: SoftmaxReLUTransformer(seeds=3, d_X=5, d_Y=2, width=4)),
    "GPT-2": (PATTERNS, lambda: GPT2Transformer(seeds=3, d_X=5, d_Y=2, tokens="columns", **GPT2)),
    "linear attention": (LINEAR, lambda: LinearAttention(seeds=3, d_X=3, initial_scale=0.3)),
    "softmax attention": (OrthonormalFeatures(K=3, d_X=3, length=4), lambda: SoftmaxAttention(seeds=3, d_X=3)),
    "interleaved": (LINEAR, lambda: InterleavedAttention(seeds=3, d_X=3, length=4, initial_scale=0.3)),
    "features": (SineRegression(length=4), lambda: FeatureAttention(seeds=3, hidden=5, features=3)),
}


def weights(model: Model) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.state_dict().items()}


def train(task: Any, model: Any, **settings: Any) -> Any:
    return icl.train(model, task, **{"steps": 4, "batch_size": 8, "learning_rate": 0.05, **settings}).model


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", [name for name in MODELS if name != "softmax attention"])
def test_any_one_frozen_weight_stays_and_the_others_move(name: str, optimizer: Any) -> None:
    task, make = MODELS[name]
    for frozen in [name for name, _ in make().named_parameters()][:: 5 if name == "GPT-2" else 1]:
        model = make()
        before = weights(model)
        model.get_parameter(frozen).requires_grad_(False)
        trained = train(task, model, optimizer=optimizer)
        after = weights(trained)
        assert torch.equal(after[frozen], before[frozen]), frozen
        moved = [other for other, _ in model.named_parameters() if not torch.equal(after[other], before[other])]
        assert moved, "nothing was trained"
        assert frozen not in moved
        for other, weight in trained.named_parameters():
            assert weight.requires_grad == (other != frozen), "what comes out is frozen as what went in"


@pytest.mark.parametrize("name", list(MODELS))
def test_a_model_of_frozen_weights_alone_is_refused(name: str) -> None:
    task, make = MODELS[name]
    model = make().requires_grad_(False)
    with pytest.raises(BadRequest, match=r"^weights of the model: expected at least one"):
        train(task, model)
    assert not any(weight.requires_grad for weight in model.parameters())


def test_the_rest_is_trained_as_it_was_without_compiled_code() -> None:
    """W_V frozen changes no gradient of the first step, so the others go where the compiled step brings them."""
    task, make = MODELS["one layer"]
    free, held = make(), make()
    assert is_compiled(free)
    held.W_V.requires_grad_(False)
    free_after, held_after = (weights(train(task, model, optimizer="sgd", steps=1)) for model in (free, held))
    for name in ("W_Q", "W_K", "W_O"):
        torch.testing.assert_close(held_after[name], free_after[name], rtol=1e-4, atol=1e-6)
    assert not torch.equal(free_after["W_V"], held_after["W_V"])


def test_a_plain_model_is_still_trained_by_compiled_code() -> None:
    task, make = MODELS["one layer"]
    sampler = stack_tasks([task] * 3, range(3))
    for frozen, kind in (((), PatternGradients), (("W_K",), AutogradGradients)):
        model = make()
        for name in frozen:
            model.get_parameter(name).requires_grad_(False)
        gradients = gradients_of(
            model, sampler, loss=hinge_loss, batch_size=2, rule=UpdateRule(), weights=model.state_dict(), own_state={},
            autograd=False,
        )  # fmt: skip
        assert type(gradients) is kind


def test_weights_stay_frozen_when_runs_leave_the_batch() -> None:
    task, make = MODELS["linear attention"]
    model = make()
    model.W_PV.requires_grad_(False)
    before = weights(model)
    seen = []

    def measure(now: Any, live: Any) -> dict[str, Tensor]:
        seen.append((tuple(live), now.W_PV.requires_grad))
        return {"run": torch.tensor([float(run) for run in live])}

    probe = Probe(measure, {0, 2, 4}, lambda records, _: records["run"] == 1.0)
    trained = train(task, model, probe=probe)
    assert [runs for runs, _ in seen] == [(0, 1, 2), (0, 2), (0, 2)]
    assert not any(free for _, free in seen)
    assert torch.equal(trained.W_PV, before["W_PV"])
    assert not torch.equal(trained.W_KQ, before["W_KQ"])


def test_weights_stay_frozen_under_a_schedule() -> None:
    task = icl.tasks.FunctionClass(d_X=3, length=4)
    model = GPT2Transformer(seeds=2, d_X=3, **GPT2)
    before = weights(model)
    model.network.backbone.requires_grad_(False)
    after = weights(train(task, model, schedule=Curriculum(dimensions=1, length=1, every=1)))
    for name, weight in before.items():
        assert torch.equal(after[name], weight) == ("backbone" in name), name


@pytest.mark.parametrize("name", list(MODELS))
def test_a_copy_keeps_the_class_what_is_frozen_and_what_was_set(name: str) -> None:
    _, make = MODELS[name]

    class Warm(type(make())):  # type: ignore[misc]
        temperature = 1.0

    model = Warm(**({"seeds": [4, 5, 6], **({} if name != "GPT-2" else {"d_X": 5, "d_Y": 2, **GPT2})}))
    first = next(iter(dict(model.named_parameters())))
    model.get_parameter(first).requires_grad_(False)
    model.temperature = 0.5
    copy = model.runs([2, 0])
    assert type(copy) is Warm
    assert copy.temperature == 0.5
    assert copy.seeds == (6, 4)
    assert copy.run_count == 2
    for key, weight in copy.state_dict().items():
        assert torch.equal(weight, model.state_dict()[key][[2, 0]])
        assert weight.data_ptr() != model.state_dict()[key].data_ptr()
    assert [weight.requires_grad for weight in copy.parameters()] == [w.requires_grad for w in model.parameters()]
