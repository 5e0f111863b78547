"""What trained weights do."""

from iclscope.mechanism.attention import attention_concentration
from iclscope.mechanism.attention_output import AttentionOutput, attention_output
from iclscope.mechanism.feature_scores import QueryMeans, feature_scores, query_means
from iclscope.mechanism.gradient_descent import Alignment, Answers, alignment, answers_of, interpolated, rescaled
from iclscope.mechanism.layers import LayerAttention, LayerNeurons, layer_attention, layer_neurons
from iclscope.mechanism.neurons import (
    NeuronAlignment,
    large_neurons,
    lucky_neurons,
    neuron_alignment,
    preactivations,
)
from iclscope.mechanism.phases import (
    BalancedPhases,
    UnderRepresentedPhases,
    balanced_phases,
    under_represented_phases,
)
from iclscope.mechanism.projections import Projections, projections

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
