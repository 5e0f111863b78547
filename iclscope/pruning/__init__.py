"""Which neurons to remove."""

from iclscope.pruning.masks import METHODS, Method, kept_neurons, kept_of_group
from iclscope.pruning.scores import magnitude

__all__ = ["METHODS", "Method", "kept_neurons", "kept_of_group", "magnitude"]


def __dir__() -> list[str]:
    return sorted(__all__)
