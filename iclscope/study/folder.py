"""The folder that a reproduction writes: who may write there, and what in it is finished."""

from __future__ import annotations

import contextlib
import hashlib
import json
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock, Timeout
from matplotlib.figure import Figure

from iclscope import __version__
from iclscope.claims.claim import JudgedClaim
from iclscope.core.addresses import without_secrets
from iclscope.core.errors import BadRequest, require
from iclscope.core.files import (
    check_writable,
    parquet_bytes,
    read_parquet,
    read_parquet_metadata,
    remove_leftovers,
    storage_failures,
    write_bytes,
    write_text,
)
from iclscope.execution.stores.store import TrialStore
from iclscope.models.pretrained import CONFIG, WEIGHTS
from iclscope.plotting.style import save_figure
from iclscope.study.experiment import Experiment, Preset
from iclscope.study.pages.claims_files import claims_csv, claims_tex
from iclscope.training.trained import TrainedGroup
from iclscope.training.trial import Trial

RUN = "run.json"
MARK = "iclscope reproduction"
LOCK = ".lock"
KINDS = ("png", "pdf", "svg", "parquet")


class ResultFolder:
    """A folder of results of one paper, preset and number of seeds.

    It holds ``report.html``, ``claims.json``, ``run.json``, for each figure NAME.png, NAME.pdf, NAME.svg and
    NAME.parquet, the trained models in ``trained/``, and those that have a name as checkpoints in ``checkpoints/``.

    Attributes:
        path: the folder.
        store: its trained models.
    """

    path: Path
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
        self.path = path
        self.store = TrialStore(path / "trained")
        self._settings = {
            "paper": paper,
            "preset": preset.name,
            "seeds": len(preset.seeds),
            "iclscope": __version__,
        }
        self._run = self._read_run()
        if self._run is not None and self._run["settings"] != self._settings and not force:
            held = ", ".join(f"{name} {value}" for name, value in self._run["settings"].items())
            raise BadRequest(
                f"out = {str(path)!r} is not allowed: it holds results of other settings ({held}); "
                "choose another folder, or --force to replace them"
            )
        check_writable(self.path, "out")

    def _read_run(self) -> dict[str, Any] | None:
        """What ``run.json`` says; None if the folder is new or empty."""
        try:
            require(not self.path.exists() or self.path.is_dir(), "out", str(self.path), "a folder; this is a file")
            found = sorted(self.path.iterdir()) if self.path.exists() else []
            names = [entry.name for entry in found if not _holds_a_lock_alone(entry)]
        except PermissionError:
            names = []
        if not names:
            return None
        refusal = f"a new or empty folder, or one with results of iclscope; it holds {names[0]!r} and is left as it is"
        require(RUN in names, "out", str(self.path), refusal)
        try:
            run = json.loads((self.path / RUN).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            run = None
        ours = isinstance(run, dict) and run.get("made by") == MARK and isinstance(run.get("settings"), dict)
        require(ours, "out", str(self.path), refusal)
        assert isinstance(run, dict)
        # What is noted in another shape is as good as not there: its figures are made again.
        figures, made_with = run.get("figures"), run.get("environment")
        figures = figures if isinstance(figures, dict) else {}
        run["figures"] = {name: noted for name, noted in figures.items() if _is_note_of_figure(noted)}
        made_with = made_with if isinstance(made_with, dict) else {}
        run["environment"] = {name: str(value) for name, value in made_with.items()}
        return run

    @contextlib.contextmanager
    def reserved(self) -> Iterator[None]:
        """Let no other command write here meanwhile: it would forget what this one finishes.

        Raises:
            BadRequest: if another one is at work here, or the folder cannot be written to.
        """
        try:
            self.store.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.store.folder / LOCK, timeout=0)
            lock.acquire()
        except Timeout as error:
            allowed = "another folder, or this one once the iclscope command that is at work in it has ended"
            raise BadRequest(f"out = {str(self.path)!r} is not allowed; allowed: {allowed}") from error
        except OSError as error:
            raise BadRequest(f"out = {str(self.path)!r} is not allowed: it cannot be written to ({error})") from error
        try:
            self._run = self._read_run() if (self.path / RUN).exists() else None  # as others have left it
            yield
        finally:
            (self.store.folder / LOCK).unlink(missing_ok=True)  # nobody waits for it
            lock.release()

    def start(self, environment: Mapping[str, str], anew: Collection[str] = ()) -> None:
        """Make the folder and note which settings it is for.

        Results of other settings, which only ``force`` lets pass, are removed: they would stand beside new ones.

        Args:
            environment: what will be noted of versions and device.
            anew: names of figures to make anew.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            remove_leftovers((self.path, self.store.folder))
            figures = self._run["figures"] if self._run else {}
            if self._run and self._run["settings"] != self._settings:
                anew = tuple(figures)
                self._remove_checkpoints()
            for name in anew:
                figures.pop(name, None)
                for kind in KINDS:
                    (self.path / f"{name}.{kind}").unlink(missing_ok=True)
            self._run = {
                "made by": MARK,
                "settings": self._settings,
                "environment": dict(environment),
                "figures": figures,
            }
            self._write_run()
        except OSError as error:
            raise BadRequest(f"out = {str(self.path)!r} is not allowed: it cannot be written to ({error})") from error

    def _remove_checkpoints(self) -> None:
        """Remove the checkpoints that finished figures wrote; whatever else lies beside them stays."""
        for name in {name for figure in self.figures.values() for name in figure.get("checkpoints", ())}:
            checkpoint = self.path / "checkpoints" / name
            for file in (CONFIG, WEIGHTS):
                (checkpoint / file).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty, or gone
                checkpoint.rmdir()

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        """A full disk concerns all figures: it ends the work, in one line."""
        return storage_failures(f"writing to {self.path}")

    def _write_run(self) -> None:
        write_text(self.path / RUN, json.dumps(self._run, indent=1) + "\n")

    @property
    def figures(self) -> dict[str, dict[str, Any]]:
        """What ``run.json`` notes of each finished figure: fingerprint, trials, seconds."""
        return self._run["figures"] if self._run else {}

    @property
    def environment(self) -> dict[str, str]:
        """What the last run was made with, and how long all figures took."""
        noted: dict[str, str] = dict(self._run["environment"]) if self._run else {}
        return noted | {"seconds": f"{sum(figure['seconds'] for figure in self.figures.values()):.0f}"}

    def is_finished(self, experiment: Experiment, trials: Sequence[Trial]) -> bool:
        """Whether the figure is there, made from just these trials."""
        noted = self.figures.get(experiment.name)
        files = (self.path / f"{experiment.name}.{kind}" for kind in KINDS)
        if noted is None or noted["fingerprint"] != _fingerprint(trials) or not all(f.is_file() for f in files):
            return False
        if noted.get("code", experiment.code) != experiment.code:  # not noted up to version 0.3
            return False
        try:
            # What is damaged, or has been put there by somebody else, is made again.
            mark = read_parquet_metadata(self.path / f"{experiment.name}.parquet")
            self.rows(experiment)
        except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError):
            return False
        return _mark(experiment, trials).items() <= mark.items()

    def finish(
        self, experiment: Experiment, trials: Sequence[Trial], rows: pl.DataFrame, figure: Figure, seconds: float
    ) -> None:
        """Write a figure's rows and pictures, then note that it is finished."""
        with self._writing():
            write_bytes(self.path / f"{experiment.name}.parquet", parquet_bytes(rows, _mark(experiment, trials)))
            svg = save_figure(figure, self.path, experiment.name, label=experiment.title)
            write_text(self.path / f"{experiment.name}.svg", svg)
        named = experiment.checkpoint
        self.figures[experiment.name] = {
            "fingerprint": _fingerprint(trials),
            "code": experiment.code,
            "seconds": round(seconds, 2),
            "trials": [trial.hash for trial in trials],
            "checkpoints": sorted({named(trial) for trial in trials}) if named is not None else [],
        }
        with self._writing():
            self._write_run()
        with contextlib.suppress(OSError):
            self._trace(experiment.name).unlink(missing_ok=True)

    def write_checkpoints(self, name: Callable[[Trial], str], groups: Iterable[TrainedGroup[Any]]) -> None:
        """Write each trained model as a checkpoint of its own, under its name."""
        for group in groups:
            for run, trial in enumerate(group.trials):
                with self._writing():
                    group.model.run(run).save_pretrained(self.path / "checkpoints" / name(trial))

    def note_trace(self, name: str, error: Exception) -> None:
        """Keep where a figure failed, as Python tells it, for whoever must mend it; gone once the figure is made."""
        with contextlib.suppress(OSError):
            self.store.folder.mkdir(parents=True, exist_ok=True)
            write_text(self._trace(name), without_secrets("".join(traceback.format_exception(error))))

    def _trace(self, name: str) -> Path:
        return self.store.folder / f"failed-{name}.txt"

    def rows(self, experiment: Experiment) -> pl.DataFrame:
        """A finished figure's rows."""
        return read_parquet(self.path / f"{experiment.name}.parquet")

    def svg(self, experiment: Experiment) -> str:
        """A finished figure as inline SVG."""
        return (self.path / f"{experiment.name}.svg").read_text(encoding="utf-8")

    def write_claims(self, claims: Sequence[JudgedClaim]) -> None:
        """Write ``claims.json``, and the same as ``claims.csv`` and ``claims.tex``."""
        text = json.dumps([claim.to_json() for claim in claims], indent=1, ensure_ascii=False)
        with self._writing():
            write_text(self.path / "claims.json", text + "\n")
            write_text(self.path / "claims.csv", claims_csv(claims))
            write_text(self.path / "claims.tex", claims_tex(claims))

    def write_report(self, html: str) -> Path:
        """Write ``report.html``; returns where it is."""
        path = self.path / "report.html"
        with self._writing():
            write_text(path, html)
        return path


def _holds_a_lock_alone(entry: Path) -> bool:
    """Whether this is what a command leaves that has only just begun."""
    return entry.name == "trained" and entry.is_dir() and [one.name for one in entry.iterdir()] in ([], [LOCK])


def _mark(experiment: Experiment, trials: Sequence[Trial]) -> dict[str, str]:
    """What a figure's file of rows says of itself."""
    return {"made by": MARK, "figure": experiment.name, "fingerprint": _fingerprint(trials)}


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
