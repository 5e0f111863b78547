"""What is recorded inside a model while it trains, by the names that its class gives (`RunModel.probes`)."""

from __future__ import annotations

from torch import Tensor

from iclscope.mechanism.attention import attention_concentration
from iclscope.mechanism.layers import layer_attention, layer_neurons
from iclscope.mechanism.neurons import neuron_alignment
from iclscope.mechanism.pattern_projections import projections
from iclscope.models.gpt2 import GPT2Transformer
from iclscope.models.softmax_relu import SoftmaxReLUTransformer
from iclscope.tasks.patterns import PatternPrompts, PatternSampler


def record_attention(
    model: SoftmaxReLUTransformer, prompts: PatternPrompts, _sampler: PatternSampler
) -> dict[str, Tensor]:
    """Attention on the query's pattern."""
    return {"attention_concentration": attention_concentration(model, prompts)}


def record_projections(
    model: SoftmaxReLUTransformer, prompts: PatternPrompts, _sampler: PatternSampler
) -> dict[str, Tensor]:
    """Lengths of queries and keys, and of their relevant parts."""
    return projections(model, prompts)._asdict()


def record_neurons(
    model: SoftmaxReLUTransformer, _prompts: PatternPrompts, sampler: PatternSampler
) -> dict[str, Tensor]:
    """How MLP neurons lie to the label embedding."""
    return neuron_alignment(model, sampler.in_domain)._asdict()


def record_layers(model: GPT2Transformer, prompts: PatternPrompts, sampler: PatternSampler) -> dict[str, Tensor]:
    """Attention and neurons of every layer of GPT-2."""
    return layer_attention(model, prompts)._asdict() | layer_neurons(model, sampler.in_domain)._asdict()
