"""What trained weights do."""

from iclscope.mechanism.attention import attention_concentration
from iclscope.mechanism.gradient_descent import Alignment, Answers, alignment, answers_of, interpolated, rescaled
from iclscope.mechanism.layers import LayerAttention, LayerNeurons, layer_attention, layer_neurons
from iclscope.mechanism.neurons import NeuronAlignment, large_neurons, neuron_alignment
from iclscope.mechanism.projections import Projections, projections

__all__ = [
    "Alignment",
    "Answers",
    "LayerAttention",
    "LayerNeurons",
    "NeuronAlignment",
    "Projections",
    "alignment",
    "answers_of",
    "attention_concentration",
    "interpolated",
    "large_neurons",
    "layer_attention",
    "layer_neurons",
    "neuron_alignment",
    "projections",
    "rescaled",
]
