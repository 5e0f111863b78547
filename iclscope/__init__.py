"""iclscope: theories of in-context learning next to trained transformers.

Its rooms are imported when they are first asked for: those for language models alone bring in as much as all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iclscope.core.lazy_names import lazy_names

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
    "Claim": "iclscope.claims.claim:Claim",
    "Control": "iclscope.claims.claim:Control",
    "Evaluation": "iclscope.training.trial:Evaluation",
    "Experiment": "iclscope.study.experiment:Experiment",
    "Paper": "iclscope.claims.paper:Paper",
    "Preset": "iclscope.study.experiment:Preset",
    "Region": "iclscope.claims.families:Region",
    "Training": "iclscope.training.trial:Training",
    "Trial": "iclscope.training.trial:Trial",
    "register": "iclscope.register:register",
    "BadRequest": "iclscope.core.errors:BadRequest",
    "evaluate": "iclscope.evaluation:evaluate",
    "reproduce": "iclscope.study.reproduce:reproduce",
    "sweep": "iclscope.sweeps.engines:sweep",
    "sweep_rows": "iclscope.sweeps.results:sweep_rows",
    "train": "iclscope.training:train",
}
"""Where each name that is not a subpackage is defined."""

__getattr__, __dir__ = lazy_names(__name__, __all__, _HOMES)
