"""Models: what reads prompts.

Every model holds several runs, one per seed, which train together. A class takes its settings as keywords, with
``seeds``: ``LinearAttention(d_X=3, seeds=5)``, or ``LinearAttention.for_task(task, seeds=5)``. Its ``config_type`` is
the class of the settings of one run, which a trial names. `from_module` makes a model of your own
``torch.nn.Module``, `load_model` reads a checkpoint that ``save_pretrained`` wrote.
"""

from iclscope.models.expected import expect_model, expect_model_of
from iclscope.models.feature_attention import FeatureAttention, FeatureAttentionConfig, FeatureAttentionPrediction
from iclscope.models.gpt2 import GPT2Prediction, GPT2Transformer
from iclscope.models.gpt2_config import SIZES, GPT2TransformerConfig
from iclscope.models.interleaved_attention import (
    InterleavedAttention,
    InterleavedAttentionConfig,
    InterleavedAttentionPrediction,
)
from iclscope.models.linear_attention import LinearAttention, LinearAttentionConfig, LinearAttentionPrediction
from iclscope.models.model import Model, config_from_settings, load_model, stack_models
from iclscope.models.run_model import ModelConfig, RunModel
from iclscope.models.softmax_attention import AttentionPrediction, SoftmaxAttention, SoftmaxAttentionConfig
from iclscope.models.softmax_relu import Prediction, SoftmaxReLUConfig, SoftmaxReLUTransformer
from iclscope.models.wrapped import from_module

__all__ = [
    "SIZES",
    "AttentionPrediction",
    "FeatureAttention",
    "FeatureAttentionConfig",
    "FeatureAttentionPrediction",
    "GPT2Prediction",
    "GPT2Transformer",
    "GPT2TransformerConfig",
    "InterleavedAttention",
    "InterleavedAttentionConfig",
    "InterleavedAttentionPrediction",
    "LinearAttention",
    "LinearAttentionConfig",
    "LinearAttentionPrediction",
    "Model",
    "ModelConfig",
    "Prediction",
    "RunModel",
    "SoftmaxAttention",
    "SoftmaxAttentionConfig",
    "SoftmaxReLUConfig",
    "SoftmaxReLUTransformer",
    "config_from_settings",
    "expect_model",
    "expect_model_of",
    "from_module",
    "load_model",
    "stack_models",
]


def __dir__() -> list[str]:
    return sorted(__all__)
