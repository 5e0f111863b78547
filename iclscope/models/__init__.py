"""What reads a prompt."""

from iclscope.models.softmax_relu import Prediction, SoftmaxReLUConfig, SoftmaxReLUTransformer

__all__ = ["Prediction", "SoftmaxReLUConfig", "SoftmaxReLUTransformer"]
