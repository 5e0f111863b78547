"""Training: the loop, losses, optimizers and schedules."""

from iclscope.training.loop import Checkpointing, Probe, train_runs
from iclscope.training.schedules import Curriculum, LengthPerStep
from iclscope.training.train_model import train
from iclscope.training.training_result import TrainingResult, log_to

__all__ = ["Checkpointing", "Curriculum", "LengthPerStep", "Probe", "TrainingResult", "log_to", "train", "train_runs"]


def __dir__() -> list[str]:
    return sorted(__all__)
