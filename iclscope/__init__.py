"""iclscope: theories of in-context learning next to trained transformers.

Its rooms are imported when they are first asked for: those for language models alone bring in as much as all others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iclscope import (
        baselines,
        evaluation,
        language_models,
        mechanism,
        models,
        papers,
        pruning,
        tasks,
        theory,
        training,
    )
    from iclscope.claims.claim import Claim, Control
    from iclscope.claims.families import Region
    from iclscope.claims.paper import Paper
    from iclscope.core.errors import BadRequest
    from iclscope.evaluation import evaluate
    from iclscope.register import register
    from iclscope.study.experiment import Experiment, Preset
    from iclscope.study.reproduce import reproduce
    from iclscope.sweeps.engines import sweep
    from iclscope.sweeps.results import sweep_rows
    from iclscope.training import train
    from iclscope.training.trial import Evaluation, Training, Trial

__version__ = "0.3.0"

__all__ = [
    "BadRequest",
    "Claim",
    "Control",
    "Evaluation",
    "Experiment",
    "Paper",
    "Preset",
    "Region",
    "Training",
    "Trial",
    "__version__",
    "baselines",
    "evaluate",
    "evaluation",
    "language_models",
    "mechanism",
    "models",
    "papers",
    "pruning",
    "register",
    "reproduce",
    "sweep",
    "sweep_rows",
    "tasks",
    "theory",
    "train",
    "training",
]

_HOMES = {
    "Claim": "iclscope.claims.claim",
    "Control": "iclscope.claims.claim",
    "Evaluation": "iclscope.training.trial",
    "Experiment": "iclscope.study.experiment",
    "Paper": "iclscope.claims.paper",
    "Preset": "iclscope.study.experiment",
    "Region": "iclscope.claims.families",
    "Training": "iclscope.training.trial",
    "Trial": "iclscope.training.trial",
    "register": "iclscope.register",
    "BadRequest": "iclscope.core.errors",
    "evaluate": "iclscope.evaluation",
    "reproduce": "iclscope.study.reproduce",
    "sweep": "iclscope.sweeps.engines",
    "sweep_rows": "iclscope.sweeps.results",
    "train": "iclscope.training",
}
"""Where that which is no room is defined."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name) if name in _HOMES else import_module(f"{__name__}.{name}")
    globals()[name] = value  # found at once from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
