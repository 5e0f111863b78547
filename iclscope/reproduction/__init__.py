"""From a paper's name to its report: train what is missing, measure, judge, draw."""

from iclscope.reproduction.reproduce import Reproduction, reproduce

__all__ = ["Reproduction", "reproduce"]
