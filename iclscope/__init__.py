"""iclscope: theories of in-context learning next to trained transformers.

Train a model on a task and test it:

    >>> import iclscope as icl
    >>> task = icl.tasks.LinearRegression(d_X=2, length=8)
    >>> model = icl.models.LinearAttention.for_task(task, seeds=3)
    >>> trained = icl.train(model, task, learning_rate=0.01, steps=5, batch_size=16)
    >>> result = icl.evaluate(trained, task.replace(length=20), prompts=64)
    >>> result.lengths
    (20,)

- `tasks`, `models`: what prompts are made of, and what reads them; ``help(icl.models.LinearAttention)`` lists settings.
  `register` makes your own known, `models.from_module` takes a ``torch.nn.Module``.
- `train`, `evaluate`: the two steps above.
- `judge`: claims on a table of yours. `reproduce`: a paper's figures and claims, or your own `Paper` of `Experiment`.
- `sweep`: many settings.
- `language_models`: the same questions for Hugging Face models. `theory`: what the papers predict.

Subpackages are imported on first use; the one for language models alone is as large as all others together.
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
    from iclscope.claims.claim import Claim, Control, JudgedClaim
    from iclscope.claims.families import Region
    from iclscope.claims.intervals import Interval
    from iclscope.claims.paper import Paper
    from iclscope.claims.verdicts import Verdicts, judge
    from iclscope.core.errors import BadRequest
    from iclscope.core.interrupted import Interrupted
    from iclscope.evaluation import EvaluationResult, evaluate
    from iclscope.models import ModelConfig, RunModel
    from iclscope.registration import register
    from iclscope.study.experiment import Experiment, Preset
    from iclscope.study.reproduce import reproduce
    from iclscope.sweeps.engines import sweep
    from iclscope.sweeps.file.sweep_file import Sweep
    from iclscope.sweeps.results import sweep_rows
    from iclscope.sweeps.to_xarray import to_xarray
    from iclscope.tasks import Task
    from iclscope.training import TrainingResult, log_to, train
    from iclscope.training.trial import Evaluation, Training, Trial

__version__ = "0.3.0"

__all__ = [
    "BadRequest",
    "Claim",
    "Control",
    "Evaluation",
    "EvaluationResult",
    "Experiment",
    "Interrupted",
    "Interval",
    "JudgedClaim",
    "ModelConfig",
    "Paper",
    "Preset",
    "Region",
    "RunModel",
    "Sweep",
    "Task",
    "Training",
    "TrainingResult",
    "Trial",
    "Verdicts",
    "__version__",
    "baselines",
    "evaluate",
    "evaluation",
    "judge",
    "language_models",
    "log_to",
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
    "to_xarray",
    "train",
    "training",
]

_HOMES = {
    "Claim": "iclscope.claims.claim:Claim",
    "Control": "iclscope.claims.claim:Control",
    "Evaluation": "iclscope.training.trial:Evaluation",
    "EvaluationResult": "iclscope.evaluation:EvaluationResult",
    "Experiment": "iclscope.study.experiment:Experiment",
    "Interrupted": "iclscope.core.interrupted:Interrupted",
    "Interval": "iclscope.claims.intervals:Interval",
    "JudgedClaim": "iclscope.claims.claim:JudgedClaim",
    "ModelConfig": "iclscope.models:ModelConfig",
    "Paper": "iclscope.claims.paper:Paper",
    "Preset": "iclscope.study.experiment:Preset",
    "Region": "iclscope.claims.families:Region",
    "RunModel": "iclscope.models:RunModel",
    "Sweep": "iclscope.sweeps.file.sweep_file:Sweep",
    "Task": "iclscope.tasks:Task",
    "Training": "iclscope.training.trial:Training",
    "TrainingResult": "iclscope.training:TrainingResult",
    "Trial": "iclscope.training.trial:Trial",
    "Verdicts": "iclscope.claims.verdicts:Verdicts",
    "judge": "iclscope.claims.verdicts:judge",
    "log_to": "iclscope.training:log_to",
    "to_xarray": "iclscope.sweeps.to_xarray:to_xarray",
    "register": "iclscope.registration:register",
    "BadRequest": "iclscope.core.errors:BadRequest",
    "evaluate": "iclscope.evaluation:evaluate",
    "reproduce": "iclscope.study.reproduce:reproduce",
    "sweep": "iclscope.sweeps.engines:sweep",
    "sweep_rows": "iclscope.sweeps.results:sweep_rows",
    "train": "iclscope.training:train",
}
"""Where each name that is not a subpackage is defined."""

__getattr__, __dir__ = lazy_names(__name__, __all__, _HOMES)
