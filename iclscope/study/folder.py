"""The folder that a reproduction writes: what in it is finished."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from iclscope import __version__
from iclscope.core.files import write_text
from iclscope.execution.run_folder import FolderKind, RunFolder
from iclscope.execution.stores.store import TrialStore
from iclscope.models.pretrained import CONFIG, WEIGHTS
from iclscope.plotting.style import save_figure
from iclscope.study.experiment import Experiment, Preset
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Trial

REPRODUCTION = FolderKind("iclscope reproduction", "run.json", "results of iclscope")
KINDS = ("png", "pdf", "svg", "parquet")


class ResultFolder(RunFolder):
    """A folder of results of one paper, preset and number of seeds.

    It holds ``report.html``, ``playground.html`` if a figure has a scene there, ``claims.json``, ``run.json``, for each
    figure NAME.png, NAME.pdf, NAME.svg and NAME.parquet, the trained models in ``trained/``, and those that have a name
    as checkpoints in ``checkpoints/``.

    Attributes:
        store: its trained models.
    """

    store: TrialStore

    def __init__(self, path: Path, paper: str, preset: Preset, *, force: bool = False) -> None:
        """Check that the folder may be written to; nothing is written yet.

        Args:
            path: made when first written to.
            paper: short name of the paper.
            preset: the preset.
            force: allow a folder with results of other settings.

        Raises:
            BadRequest: if the folder holds other files, results of other settings (and not ``force``), or cannot be
                written to.
        """
        super().__init__(path, REPRODUCTION, "trained")
        self.store = TrialStore(self.training)
        self._settings = {
            "paper": paper,
            "preset": preset.name,
            "seeds": len(preset.seeds),
            "iclscope": __version__,
        }
        if self.noted is None:
            return
        noted = self.noted.get("settings")
        allowed = f"a new or empty folder, or one with {self.kind.holds}; its run.json names no settings"
        self._require(isinstance(noted, dict), allowed)
        assert isinstance(noted, dict)
        if noted != self._settings and not force:
            held = ", ".join(f"{name} {value}" for name, value in noted.items())
            raise self.refused(
                f"it holds results of other settings ({held}); choose another folder, or --force to replace them"
            )

    def start(self, environment: Mapping[str, str], recompute: Collection[str] = ()) -> None:
        """Make the folder and note which settings it is for.

        Results of other settings, which only ``force`` lets pass, are removed: they would stand beside new ones.

        Args:
            environment: what will be noted of versions and device.
            recompute: names of figures to recompute.
        """
        figures = self.figures
        if self.noted and self.noted.get("settings") != self._settings:
            recompute = tuple(figures)
            self._remove_checkpoints()
        for name in recompute:
            figures.pop(name, None)
            with self.writing():
                for kind in KINDS:
                    (self.path / f"{name}.{kind}").unlink(missing_ok=True)
        self.begin({"settings": self._settings, "environment": dict(environment), "figures": figures})

    def _remove_checkpoints(self) -> None:
        """Remove the checkpoints that finished figures wrote; whatever else lies beside them stays."""
        for name in {name for figure in self.figures.values() for name in figure.get("checkpoints", ())}:
            checkpoint = self.path / "checkpoints" / name
            with self.writing():
                for file in (CONFIG, WEIGHTS):
                    (checkpoint / file).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty, or gone
                checkpoint.rmdir()

    @property
    def figures(self) -> dict[str, dict[str, Any]]:
        """What ``run.json`` notes of each finished figure; what is noted in another shape counts as not there."""
        figures = (self.noted or {}).get("figures")
        figures = figures if isinstance(figures, dict) else {}
        return {name: noted for name, noted in figures.items() if _is_note_of_figure(noted)}

    @property
    def environment(self) -> dict[str, str]:
        """What the last run was made with, and how long all figures took."""
        noted = (self.noted or {}).get("environment")
        made_with = {name: str(value) for name, value in noted.items()} if isinstance(noted, dict) else {}
        return made_with | {"seconds": f"{sum(figure['seconds'] for figure in self.figures.values()):.0f}"}

    def rows(self, experiment: Experiment, trials: Sequence[Trial]) -> pl.DataFrame | None:
        """A figure's rows; None unless the figure is there, made from just these trials by this code."""
        noted = self.figures.get(experiment.name)
        files = (self.path / f"{experiment.name}.{kind}" for kind in KINDS)
        if noted is None or noted["fingerprint"] != _fingerprint(trials) or not all(f.is_file() for f in files):
            return None
        if noted.get("code") != experiment.code:  # not noted up to version 0.3: measured again, nothing is trained
            return None
        return self.table(experiment.name, _label(experiment, trials))

    def finish(
        self, experiment: Experiment, trials: Sequence[Trial], rows: pl.DataFrame, figure: Figure, seconds: float
    ) -> None:
        """Write a figure's rows and pictures, then note that it is finished."""
        self.write_table(experiment.name, rows, _label(experiment, trials))
        with self.writing():
            svg = save_figure(figure, self.path, experiment.name, label=experiment.title)
            write_text(self.path / f"{experiment.name}.svg", svg)
        named = experiment.checkpoint
        made = {
            "fingerprint": _fingerprint(trials),
            "code": experiment.code,
            "seconds": round(seconds, 2),
            "trials": [trial.hash for trial in trials],
            "checkpoints": sorted({named(trial) for trial in trials}) if named is not None else [],
        }
        self.note({**(self.noted or {}), "figures": {**self.figures, experiment.name: made}})
        self.remove_traceback(experiment.name)

    def write_checkpoints(self, name: Callable[[Trial], str], groups: Iterable[TrainedGroup[Any]]) -> None:
        """Write each trained model as a checkpoint of its own, under its name."""
        for group in groups:
            for run, trial in enumerate(group.trials):
                with self.writing():
                    group.model.run(run).save_pretrained(self.path / "checkpoints" / name(trial))

    def svg(self, experiment: Experiment) -> str:
        """A finished figure as inline SVG."""
        return (self.path / f"{experiment.name}.svg").read_text(encoding="utf-8")


def _label(experiment: Experiment, trials: Sequence[Trial]) -> dict[str, str]:
    """What a figure's file of rows says of itself."""
    return {"made by": REPRODUCTION.made_by, "figure": experiment.name, "fingerprint": _fingerprint(trials)}


def _is_note_of_figure(noted: object) -> bool:
    """Whether a note of a figure is as this version writes it."""
    if not isinstance(noted, dict):
        return False
    lists = (noted.get("trials"), noted.get("checkpoints", []))
    are_texts = all(isinstance(held, list) and all(isinstance(one, str) for one in held) for held in lists)
    seconds = noted.get("seconds")
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    return are_texts and is_number and isinstance(noted.get("fingerprint"), str)


def _fingerprint(trials: Sequence[Trial]) -> str:
    return hashlib.sha256("".join(sorted(trial.hash for trial in trials)).encode()).hexdigest()[:24]
