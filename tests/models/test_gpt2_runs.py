"""Many GPT-2 runs at once: one after the other or stacked, alone or beside others, the numbers are the same."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from test_gpt2_transformers import CASES, FUNCTIONS, PATTERNS, SIZES, scrambled
from torch import Tensor

from iclscope.core.errors import BadRequest
from iclscope.models import SIZES as PUBLISHED
from iclscope.models import GPT2Transformer, GPT2TransformerConfig, SoftmaxReLUConfig, stack_models
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.tasks import FunctionClass


def output_and_gradients(model: GPT2Transformer, prompts: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """What every run says, and the gradient of the sum of its squared errors."""
    output = model.predict(prompts).output
    names = [name for name, _ in model.named_parameters()]
    gradients = torch.autograd.grad((output - prompts.labels).square().sum(), list(model.parameters()))
    return output.detach(), dict(zip(names, gradients, strict=True))


@pytest.mark.parametrize("case", ["functions, every x", "patterns of several lengths, columns"])
def test_stacked_or_one_after_the_other(case: str) -> None:
    task, settings = CASES[case]
    model = scrambled(seeds=(3, 4, 5), **settings)
    assert model.stacking == "loop", "on a CPU stacking does not pay"
    prompts = task.sampler(model.seeds, dtype=torch.float64).prompts(3, purpose="test")
    output, gradients = output_and_gradients(model, prompts)
    model.stacking = "vmap"
    stacked, stacked_gradients = output_and_gradients(model, prompts)
    torch.testing.assert_close(stacked, output, rtol=0, atol=1e-13)
    assert gradients.keys() == stacked_gradients.keys()
    for name, gradient in gradients.items():
        assert bool(gradient.any()), name
        torch.testing.assert_close(stacked_gradients[name], gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("stacking", ["loop", "vmap"])
def test_a_run_alone_is_the_run_in_a_batch(stacking: Any) -> None:
    """Values and gradients; one after the other they are equal to the last bit."""
    together = scrambled(seeds=(3, 4, 5), d_X=4)
    together.stacking = stacking
    prompts = FUNCTIONS.sampler(together.seeds, dtype=torch.float64).prompts(4, purpose="test")
    output, gradients = output_and_gradients(together, prompts)
    tolerance = 0.0 if stacking == "loop" else 1e-12
    for run, seed in enumerate(together.seeds):
        alone = together.run(run)
        own = FUNCTIONS.sampler([seed], dtype=torch.float64).prompts(4, purpose="test")
        own_output, own_gradients = output_and_gradients(alone, own)
        torch.testing.assert_close(own_output[0], output[run], rtol=0, atol=tolerance)
        for name, gradient in own_gradients.items():
            torch.testing.assert_close(gradient[0], gradients[name][run], rtol=0, atol=tolerance)


def test_another_run_cannot_be_heard() -> None:
    model = scrambled(seeds=(3, 4), d_X=4)
    prompts = FUNCTIONS.sampler(model.seeds, dtype=torch.float64).prompts(4, purpose="test")
    before = model.predict(prompts).output[0]
    with torch.no_grad():
        for weight in model.parameters():
            weight[1] = torch.nan
    output = model.predict(prompts).output
    assert torch.equal(output[0], before)
    assert bool(output[1].isnan().all())


def test_runs_are_copies_in_the_given_order() -> None:
    model = scrambled(seeds=(7, 8, 9), d_X=4)
    model.trained_on = tuple(FUNCTIONS.replace(length=length) for length in (1, 2, 3))
    chosen = model.runs([2, 0])
    assert chosen.seeds == (9, 7)
    assert chosen.run_count == 2
    assert chosen.config == model.config
    assert chosen.trained_on == (model.trained_on[2], model.trained_on[0])
    assert (chosen.dtype, chosen.device) == (torch.float64, torch.device("cpu"))
    for name, weight in model.state_dict().items():
        assert torch.equal(chosen.state_dict()[name], weight[[2, 0]]), name
        assert torch.equal(model.run(1).state_dict()[name], weight[[1]]), name
    with torch.no_grad():
        for weight in chosen.parameters():
            weight.zero_()
    assert all(bool((weight != 0).any()) for weight in model.parameters())


def test_a_model_may_be_copied_and_converted_like_any_module() -> None:
    model = scrambled(d_X=4)
    single = copy.deepcopy(model).to(torch.float32)
    assert single.dtype == torch.float32
    assert model.dtype == torch.float64
    prompts = FUNCTIONS.sampler(model.seeds).prompts(2, purpose="test")
    double = FUNCTIONS.sampler(model.seeds, dtype=torch.float64).prompts(2, purpose="test")
    torch.testing.assert_close(single.predict(prompts).output.double(), model.predict(double).output, rtol=0, atol=1e-4)


@pytest.mark.parametrize("tokens", ["columns", "alternating"])
def test_the_longest_prompt_fills_the_positions(tokens: Any) -> None:
    positions = 7
    config = GPT2TransformerConfig(d_X=4, tokens=tokens, positions=positions, layers=1, heads=1, embedding=4)
    model = GPT2Transformer(config, dtype=torch.float64)
    longest = config.most_points - 1
    assert longest == {"columns": 6, "alternating": 3}[tokens]
    for length, fits in ((longest, True), (longest + 1, False)):
        task = FunctionClass(d_X=4, length=length, predictions="query")
        prompts = task.sampler([0], dtype=torch.float64).prompts(2, purpose="test")
        if fits:
            assert bool(model.predict(prompts).output.isfinite().all())
            model.check_task(task)
            continue
        for refused in (lambda: model.predict(prompts), lambda: model.check_task(task)):  # noqa: B023 (called at once)
            with pytest.raises(
                BadRequest, match=rf"length: .*at most {longest}: {positions} positions.*, got {length}"
            ):
                refused()


def test_prompts_of_other_dimensions_are_refused() -> None:
    model = scrambled(d_X=5, d_Y=2)
    for task, own in (
        (PATTERNS.replace(d_Y=3), r"\(5, 2\), the model's.*\(5, 3\)"),
        (PATTERNS.replace(d_X=6), r"\(5, 2\), the model's.*\(6, 2\)"),
        (FunctionClass(d_X=5, length=2), r"\(5, 2\), the model's.*\(5, 1\)"),
    ):
        prompts = task.sampler(model.seeds, dtype=torch.float64).prompts(2, purpose="test")
        with pytest.raises(BadRequest, match=own):
            model.predict(prompts)
        with pytest.raises(BadRequest, match=own):
            model.check_task(task)


def test_columns_cannot_be_asked_at_every_x() -> None:
    """A column holds the answer beside its input: asking there would be asking for what is shown."""
    model = scrambled(d_X=4, tokens="columns")
    prompts = FUNCTIONS.sampler(model.seeds, dtype=torch.float64).prompts(2, purpose="test")
    with pytest.raises(BadRequest, match=r"tokens: expected .*alternating.*, got 'columns'"):
        model.predict(prompts)


def test_the_one_layer_model_answers_one_query_only() -> None:
    model = SoftmaxReLUTransformer(d_X=4, d_Y=1)
    model.check_task(FUNCTIONS.replace(predictions="query"))
    with pytest.raises(BadRequest, match=r"predictions: expected .*one query per prompt.*, got 'every'"):
        model.check_task(FUNCTIONS)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"seeds": 0}, "seeds"),
        ({"seeds": []}, "seeds"),
        ({"config": GPT2TransformerConfig(), "layers": 2}, "config.*layers"),
        ({"layers": 0}, "layers"),
        ({"heads": 3}, "embedding: expected .*heads = 3.*, got 64"),
        ({"positions": 0}, "positions"),
        ({"d_X": 0}, "d_X"),
        ({"tokens": "words"}, "tokens"),
        ({"no_such_setting": 1}, "no_such_setting"),
    ],
)
def test_bad_settings_are_refused_by_name(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRequest, match=named) as refusal:
        GPT2Transformer(**arguments)
    assert "\n" not in str(refusal.value)


def test_published_sizes() -> None:
    """Garg 2022, Appendix A.1; the standard model is said to have 9.5 million parameters."""
    assert dict(PUBLISHED) == {"tiny": (3, 2, 64), "small": (6, 4, 128), "standard": (12, 8, 256)}
    for size, (layers, heads, embedding) in PUBLISHED.items():
        config = GPT2TransformerConfig.of_size(size, d_X=5)
        assert (config.layers, config.heads, config.embedding, config.d_X) == (layers, heads, embedding, 5)
    with pytest.raises(BadRequest, match=r"size: expected .*tiny, small, standard.*, got 'huge'"):
        GPT2TransformerConfig.of_size("huge")
    model = GPT2Transformer(GPT2TransformerConfig.of_size("standard", positions=81))
    assert sum(weight.numel() for weight in model.parameters()) == pytest.approx(9.5e6, rel=0.01)


def test_models_are_stacked_by_kind_and_size() -> None:
    config = GPT2TransformerConfig(d_X=4, **SIZES)
    stacked = stack_models([config, config], [5, 6])
    assert isinstance(stacked, GPT2Transformer)
    assert (stacked.seeds, stacked.config) == ((5, 6), config)
    one_layer = [SoftmaxReLUConfig(delta=delta) for delta in (0.1, 0.2)]
    assert isinstance(stack_models(one_layer, [5, 6]), SoftmaxReLUTransformer)
    with pytest.raises(BadRequest, match="one kind"):
        stack_models([config, one_layer[0]], [5, 6])
    with pytest.raises(BadRequest, match="equal sizes"):
        stack_models([config, GPT2TransformerConfig(d_X=4, **{**SIZES, "layers": 2})], [5, 6])
    with pytest.raises(BadRequest, match="configs"):
        stack_models([], [])
