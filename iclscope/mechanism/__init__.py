"""What trained models do inside: attention, neurons, phases, gradient descent."""

from iclscope.mechanism.attention import attention_concentration
from iclscope.mechanism.attention_outputs import AttentionOutput, attention_output
from iclscope.mechanism.gradient_descent import Alignment, Answers, alignment, answers_of, interpolated, rescaled
from iclscope.mechanism.layers import LayerAttention, LayerNeurons, layer_attention, layer_neurons
from iclscope.mechanism.neurons import (
    NeuronAlignment,
    large_neurons,
    lucky_neurons,
    neuron_alignment,
    preactivations,
)
from iclscope.mechanism.pattern_projections import Projections, projections
from iclscope.mechanism.phases import (
    BalancedPhases,
    UnderRepresentedPhases,
    balanced_phases,
    under_represented_phases,
)
from iclscope.mechanism.query_scores import QueryMeans, feature_scores, query_means

__all__ = [
    "Alignment",
    "Answers",
    "AttentionOutput",
    "BalancedPhases",
    "LayerAttention",
    "LayerNeurons",
    "NeuronAlignment",
    "Projections",
    "QueryMeans",
    "UnderRepresentedPhases",
    "alignment",
    "answers_of",
    "attention_concentration",
    "attention_output",
    "balanced_phases",
    "feature_scores",
    "interpolated",
    "large_neurons",
    "layer_attention",
    "layer_neurons",
    "lucky_neurons",
    "neuron_alignment",
    "preactivations",
    "projections",
    "query_means",
    "rescaled",
    "under_represented_phases",
]


def __dir__() -> list[str]:
    return sorted(__all__)
