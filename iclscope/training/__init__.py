"""How weights are found."""

from iclscope.training.loop import Checkpointing, Probe, train_runs
from iclscope.training.schedules import Curriculum, LengthPerStep
from iclscope.training.train import TrainingResult, train

__all__ = ["Checkpointing", "Curriculum", "LengthPerStep", "Probe", "TrainingResult", "train", "train_runs"]
