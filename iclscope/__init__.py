"""iclscope: theories of in-context learning next to trained transformers."""

__version__ = "0.3.0"

from iclscope import baselines, evaluation, language_models, mechanism, models, pruning, tasks, theory, training
from iclscope.errors import BadRequest
from iclscope.evaluation import evaluate
from iclscope.reproduction import reproduce
from iclscope.sweeps.engines import sweep
from iclscope.sweeps.results import sweep_rows
from iclscope.training import train

__all__ = [
    "BadRequest",
    "__version__",
    "baselines",
    "evaluate",
    "evaluation",
    "language_models",
    "mechanism",
    "models",
    "pruning",
    "reproduce",
    "sweep",
    "sweep_rows",
    "tasks",
    "theory",
    "train",
    "training",
]
