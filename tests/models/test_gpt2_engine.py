"""GPT-2's compiled steps against autograd: losses, gradients, answers, trainings, and whatever is not theirs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from iclscope.core.arguments import BadRequest
from iclscope.evaluation.answers import answers_of
from iclscope.models import GPT2Transformer
from iclscope.models.compiled.tiles import HERE
from iclscope.models.gpt2_engine.elementwise import exponential
from iclscope.models.gpt2_engine.engine import is_compiled
from iclscope.models.gpt2_engine.gradients import GPT2Gradients
from iclscope.tasks import FunctionClass, PatternClassification
from iclscope.training.gradients import AutogradGradients, gradients_of
from iclscope.training.loop import Checkpointing, train_runs
from iclscope.training.losses import LOSSES, hinge_loss, squared_loss
from iclscope.training.optimizers import UpdateRule
from iclscope.training.schedules import LengthPerStep, ScheduledSampler

pytestmark = pytest.mark.skipif(HERE.bytes < 32, reason="without AVX2 all goes by autograd")

SEEDS = (3, 4)
# Measured: 3e-15 in float64 and 7e-7 in float32, each of the largest entry.
TOLERANCE = {torch.float64: 1e-11, torch.float32: 1e-5}

PROBLEMS = st.fixed_dictionaries(
    {
        "layers": st.integers(1, 3),
        "heads": st.integers(1, 3),
        "head": st.sampled_from([1, 3, 8, 11]),
        "d_X": st.sampled_from([1, 4, 17]),
        "length": st.sampled_from([0, 1, 5, 20]),
        "batch": st.sampled_from([1, 3, 9]),
        "tokens": st.sampled_from(["columns", "alternating"]),
        "predictions": st.sampled_from(["query", "every"]),
        "loss": st.sampled_from(["hinge", "squared"]),
        "final_norm": st.booleans(),
        "noise": st.integers(0, 1000),
    }
)


def scrambled(noise: int = 0, dtype: torch.dtype = torch.float64, **settings: Any) -> GPT2Transformer:
    """Any weights, far from initial ones."""
    model = GPT2Transformer(
        seeds=SEEDS, dtype=dtype, **{"layers": 2, "heads": 2, "embedding": 8, "d_X": 3, "positions": 41, **settings}
    )
    generator = torch.Generator().manual_seed(noise)
    with torch.no_grad():
        for weight in model.parameters():
            moved = torch.randn(weight.shape, generator=generator, dtype=torch.float64) / math.sqrt(weight.shape[-1])
            weight += (0.5 * moved).to(dtype)
    return model


def gradients(model: Any, sampler: Any, *, loss: Any = squared_loss, batch: int = 5, autograd: bool = False) -> Any:
    return gradients_of(
        model, sampler, loss=loss, batch_size=batch, rule=UpdateRule("adam"), weights=model.state_dict(), own_state={},
        autograd=autograd,
    )  # fmt: skip


def assert_close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Within a share of the largest entry."""
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) <= tolerance * (float(expected.abs().max()) + 1e-6)


def assert_same_gradients(model: GPT2Transformer, sampler: Any, *, step: int = 0, **settings: Any) -> None:
    fast, plain = (gradients(model, sampler, autograd=autograd, **settings) for autograd in (False, True))
    assert isinstance(fast, GPT2Gradients)
    (losses, slopes), (expected, theirs) = fast.at(step), plain.at(step)
    tolerance = TOLERANCE[model.dtype]
    assert_close(losses, expected, tolerance)
    assert losses.dtype == expected.dtype
    names = [name for name, _ in model.named_parameters()]
    largest = max(float(their.abs().max()) for their in theirs)
    for name, ours, their in zip(names, slopes, theirs, strict=True):
        assert ours.shape == their.shape, name
        # Of the largest of all: the keys' biases move nothing, so their gradients are rounding alone.
        assert float((ours - their).abs().max()) <= tolerance * (largest + 1e-6), name


@pytest.mark.slow
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_losses_and_gradients_are_autograds(dtype: torch.dtype) -> None:
    @settings(max_examples=25 if dtype == torch.float64 else 10)
    @given(PROBLEMS)
    def check(problem: dict[str, Any]) -> None:
        predictions = "query" if problem["tokens"] == "columns" else problem["predictions"]
        task = FunctionClass(d_X=problem["d_X"], length=problem["length"], predictions=predictions)
        model = scrambled(
            problem["noise"], dtype, layers=problem["layers"], heads=problem["heads"],
            embedding=problem["heads"] * problem["head"], d_X=task.d_X, tokens=problem["tokens"],
            final_norm=problem["final_norm"],
        )  # fmt: skip
        sampler = task.sampler(SEEDS, dtype=dtype)
        loss = LOSSES[problem["loss"]]
        assert_same_gradients(model, sampler, loss=loss, batch=problem["batch"], step=problem["noise"])
        ((said, prompts),) = answers_of(model, sampler, problem["batch"], problem["batch"])
        expected = model.predict(prompts).output.detach()
        assert_close(said, expected, TOLERANCE[dtype])

    check()


@pytest.mark.parametrize("tokens", ["columns", "alternating"])
@pytest.mark.parametrize("final_norm", [True, False])
def test_patterns_of_several_lengths(tokens: Any, final_norm: bool) -> None:
    """The query stands elsewhere in every prompt, and padding lies behind it."""
    task = PatternClassification(M1=3, M2=2, d_X=5, d_Y=2, length=(1, 6))
    model = scrambled(d_X=5, d_Y=2, tokens=tokens, final_norm=final_norm)
    assert_same_gradients(model, task.sampler(SEEDS, dtype=torch.float64), loss=hinge_loss, batch=30)


@pytest.mark.parametrize(("width", "length"), [(64, 10), (96, 20)])
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_sizes_that_are_used(width: int, length: int, dtype: torch.dtype) -> None:
    """More than one block of prompts, and whole tiles."""
    model = scrambled(dtype=dtype, embedding=width, layers=3, d_X=5)
    sampler = FunctionClass(d_X=5, length=length).sampler(SEEDS, dtype=dtype)
    assert_same_gradients(model, sampler, batch=11)


class Changed:
    """A sampler whose prompts are changed on the way."""

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    def runs(self, indices: Any) -> Any:
        return type(self)(self.sampler.runs(indices))


class Weighted(Changed):
    """Prompts that do not count alike."""

    def prompts(self, batch: int, **settings: Any) -> Any:
        prompts = self.sampler.prompts(batch, **settings)

        class Counted(type(prompts)):  # type: ignore[misc]
            weights = torch.linspace(0.1, 0.4, batch, dtype=torch.float64).expand(len(prompts.labels), batch)

        return Counted(**{name: getattr(prompts, name) for name in prompts.__dataclass_fields__})


def test_prompts_with_probabilities() -> None:
    model = scrambled()
    sampler: Any = Weighted(FunctionClass(d_X=3, length=4).sampler(SEEDS, dtype=torch.float64))
    assert_same_gradients(model, sampler)


def test_prompts_of_other_lengths_at_every_step() -> None:
    model, task = scrambled(), FunctionClass(d_X=3, length=9)
    sampler = ScheduledSampler(
        task.sampler(SEEDS, dtype=torch.float64), LengthPerStep(shortest=0), dimensions=3, length=9
    )
    fast, plain = (gradients(model, sampler, autograd=autograd) for autograd in (False, True))
    for step in range(6):
        for ours, theirs in zip(fast.at(step)[1], plain.at(step)[1], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


def test_without_a_layer_norm_before_the_read_out() -> None:
    """Losses, gradients and answers, more than one block of prompts."""
    model = scrambled(embedding=64, layers=3, heads=4, d_X=5, final_norm=False)
    assert not any("ln_f" in name for name, _ in model.named_parameters())
    sampler = FunctionClass(d_X=5, length=10).sampler(SEEDS, dtype=torch.float64)
    assert_same_gradients(model, sampler, batch=11)
    ((said, prompts),) = answers_of(model, sampler, 11, 11)
    assert_close(said, model.predict(prompts).output.detach(), TOLERANCE[torch.float64])


@pytest.mark.parametrize(
    ("optimizer", "rate", "final_norm"), [("sgd", 0.05, True), ("adam", 0.003, True), ("adam", 0.003, False)]
)
def test_a_training_is_autograds(optimizer: Any, rate: float, final_norm: bool) -> None:
    task, model = FunctionClass(d_X=3, length=5), scrambled(final_norm=final_norm)
    sampler = task.sampler(SEEDS, dtype=torch.float64)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    curves: dict[bool, list[Tensor]] = {}

    def trained(autograd: bool) -> Any:
        seen = curves.setdefault(autograd, [])
        return train_runs(
            model, sampler, learning_rate=torch.full((2,), rate), steps=50, batch_size=9, loss=squared_loss,
            rate_decay=True, optimizer=optimizer, autograd=autograd, on_loss=lambda *told: seen.append(told[2].clone()),
        )  # fmt: skip

    fast, plain = trained(autograd=False), trained(autograd=True)
    torch.testing.assert_close(torch.stack(curves[False]), torch.stack(curves[True]), rtol=1e-7, atol=1e-8)
    assert float(curves[False][-1].sum()) < float(curves[False][0].sum())
    assert fast.optimizer.keys() == plain.optimizer.keys()
    for name, weight in plain.weights.items():
        torch.testing.assert_close(fast.weights[name], weight, rtol=1e-6, atol=1e-6)
        assert torch.equal(model.state_dict()[name], before[name]), "the caller's model was changed"
    for name, moment in plain.optimizer.items():
        assert fast.optimizer[name].shape == moment.shape, name


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_resumed_training_gives_the_same_bits(tmp_path: Path, optimizer: Any) -> None:
    task, model = FunctionClass(d_X=3, length=5), scrambled(dtype=torch.float32)
    sampler = task.sampler(SEEDS)

    def trained(checkpointing: Checkpointing | None = None, *, until: int = 99) -> Any:
        count = iter(range(1, 99))
        return train_runs(
            model, sampler, learning_rate=torch.full((2,), 0.01), steps=9, batch_size=4, loss=squared_loss,
            optimizer=optimizer, checkpointing=checkpointing, should_stop=lambda: next(count) == until,
        )  # fmt: skip

    whole, place = trained(), Checkpointing(tmp_path / "state.safetensors", "this one", seconds=1e9)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            trained(place, until=3)
    resumed = trained(place)
    assert resumed.step == whole.step == 9
    for kept, again in ((whole.weights, resumed.weights), (whole.optimizer, resumed.optimizer)):
        assert kept.keys() == again.keys()
        assert all(torch.equal(tensor, again[name]) for name, tensor in kept.items())


def test_a_run_alone_is_the_run_in_a_group() -> None:
    task, model = FunctionClass(d_X=3, length=5), scrambled(dtype=torch.float32)
    together = gradients(model, task.sampler(SEEDS), batch=9)
    losses, slopes = together.at(2)
    for run, seed in enumerate(SEEDS):
        own, mine = gradients(model.run(run), task.sampler([seed]), batch=9).at(2)
        assert torch.equal(own[0], losses[run])
        assert all(torch.equal(one[0], whole[run]) for one, whole in zip(mine, slopes, strict=True))
    other = together.runs([1])
    assert torch.equal(other.at(2)[0], losses[1:])
    assert torch.equal(other.model().state_dict()["network.read_in.weight"], model.network.read_in.weight[1:])


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_share_a_batch(threads: int) -> None:
    model, sampler = scrambled(), FunctionClass(d_X=3, length=20).sampler(SEEDS, dtype=torch.float64)
    alone = [answer for answer, _ in answers_of(model, sampler, 33, 33)]
    model.threads = threads
    assert model.runs([0]).threads == threads
    assert_same_gradients(model, sampler, batch=33)
    together = [answer for answer, _ in answers_of(model, sampler, 33, 33)]
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))
    shared = gradients(model, sampler, batch=33)
    first = [slope.clone() for slope in shared.at(1)[1]]
    shared.at(2)
    assert all(torch.equal(one, again) for one, again in zip(first, shared.at(1)[1], strict=True))


@pytest.mark.parametrize("threads", [0, 1.5])
def test_threads_that_do_not_exist_are_refused(threads: Any) -> None:
    model = scrambled()
    model.threads = threads
    with pytest.raises(BadRequest, match="threads"):
        gradients(model, FunctionClass(d_X=3, length=5).sampler(SEEDS, dtype=torch.float64))


@pytest.mark.parametrize("tokens", ["columns", "alternating"])
def test_answers_do_not_depend_on_how_prompts_are_split(tokens: Any) -> None:
    task = PatternClassification(M1=3, M2=2, d_X=5, d_Y=2, length=6)
    model = scrambled(dtype=torch.float32, d_X=5, d_Y=2, tokens=tokens)
    prompts = task.sampler(SEEDS).prompts(31, purpose="evaluation")
    tokens_of_all = model.tokens_of(prompts)
    from iclscope.models.gpt2_engine.engine import Engine

    engine = Engine(model)
    whole = engine.outputs(tokens_of_all)
    for size in (1, 3, 8, 30):
        parts = [
            engine.outputs(replace(
                tokens_of_all, values=tokens_of_all.values[:, begin : begin + size],
                read_at=tokens_of_all.read_at[:, begin : begin + size],
            ))
            for begin in range(0, 31, size)
        ]  # fmt: skip
        assert torch.equal(torch.cat(parts, dim=1), whole)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["read_in.weight", "h.1.attn.c_attn.weight", "h.0.mlp.c_fc.bias", "read_out.bias"])
def test_what_is_not_finite_stays_so(broken: float, where: str) -> None:
    model = scrambled(dtype=torch.float32)
    with torch.no_grad():
        next(weight for name, weight in model.named_parameters() if name.endswith(where))[0].fill_(broken)
    sampler = FunctionClass(d_X=3, length=4).sampler(SEEDS)
    losses, slopes = gradients(model, sampler).at(0)
    assert not bool(losses[0].isfinite())
    assert bool(losses[1].isfinite())
    assert all(bool(slope[1].isfinite().all()) for slope in slopes)
    ((said, _),) = answers_of(model, sampler, 3, 3)
    assert not bool(said[0].isfinite().any())
    assert bool(said[1].isfinite().all())


def test_nan_in_a_prompt_is_seen() -> None:
    class Broken(Changed):
        def prompts(self, batch: int, **settings: Any) -> Any:
            prompts = self.sampler.prompts(batch, **settings)
            values = prompts.values.clone()
            values[0, -1, 0] = torch.nan
            return replace(prompts, values=values, answers=values)

    model = scrambled(dtype=torch.float32)
    sampler: Any = Broken(FunctionClass(d_X=3, length=4).sampler(SEEDS))
    losses, _ = gradients(model, sampler).at(0)
    assert bool(losses[0].isnan())
    assert bool(losses[1].isfinite())


class Doubled(GPT2Transformer):
    """Answers twice as much as its parent."""

    def predict(self, prompts: Any, **options: Any) -> Any:
        prediction = super().predict(prompts, **options)
        return prediction._replace(output=2 * prediction.output)


def frozen(model: GPT2Transformer) -> GPT2Transformer:
    model.network.read_in.bias.requires_grad_(False)
    return model


def with_relu(model: GPT2Transformer) -> GPT2Transformer:
    model.network.backbone.h[0].mlp.act = torch.nn.ReLU()
    return model


def hooked(model: GPT2Transformer) -> GPT2Transformer:
    model.network.backbone.h[0].register_forward_hook(lambda *_: None)
    return model


SMALL: dict[str, Any] = {"seeds": SEEDS, "layers": 1, "heads": 1, "embedding": 4, "d_X": 3, "positions": 12}


@pytest.mark.parametrize(
    "made",
    [
        lambda: Doubled(**SMALL),
        lambda: frozen(GPT2Transformer(**SMALL)),
        lambda: with_relu(GPT2Transformer(**SMALL)),
        lambda: hooked(GPT2Transformer(**SMALL)),
        lambda: GPT2Transformer(**SMALL, dtype=torch.bfloat16),
    ],
)
def test_what_the_engine_does_not_know_is_left_to_autograd(made: Any) -> None:
    sampler = FunctionClass(d_X=3, length=4).sampler(SEEDS)
    assert isinstance(gradients(made(), sampler), AutogradGradients)
    assert isinstance(gradients(GPT2Transformer(**SMALL), sampler), GPT2Gradients)


def test_a_loss_of_the_callers_is_left_to_autograd() -> None:
    sampler = FunctionClass(d_X=3, length=4).sampler(SEEDS)
    found = gradients(GPT2Transformer(**SMALL), sampler, loss=lambda output, labels: (output - labels).abs())
    assert isinstance(found, AutogradGradients)


def test_a_derived_class_answers_for_itself() -> None:
    sampler = FunctionClass(d_X=3, length=4).sampler(SEEDS)
    plain, own = GPT2Transformer(**SMALL), Doubled(**SMALL)
    assert is_compiled(plain)
    assert not is_compiled(own)
    ((said, _),), ((twice, _),) = answers_of(plain, sampler, 3, 3), answers_of(own, sampler, 3, 3)
    torch.testing.assert_close(twice, 2 * said, rtol=1e-5, atol=1e-6)


def test_a_prompt_that_is_too_long_is_refused() -> None:
    from iclscope.core.errors import BadRequest

    sampler = FunctionClass(d_X=3, length=9).sampler(SEEDS)
    with pytest.raises(BadRequest, match="length: expected"):
        gradients(GPT2Transformer(**SMALL), sampler).at(0)


def test_the_exponential_function() -> None:
    def of_all(x: Any, out: Any) -> None:
        for i in range(x.size):
            out[i] = exponential(x[i])

    evaluate = numba.njit(of_all)
    x = np.linspace(-87, 88, 200_001, dtype=np.float32)
    out = np.empty_like(x)
    evaluate(x, out)
    expected = np.exp(x.astype(np.float64))
    assert np.max(np.abs(out / expected - 1)) < 2e-7
    ends = np.array([-np.inf, -1000, 0, np.nan, np.inf], np.float32)
    out = np.empty_like(ends)
    evaluate(ends, out)
    assert out[:3].tolist() == [0, 0, 1]
    assert np.isnan(out[3])
    assert out[4] > 1e38
