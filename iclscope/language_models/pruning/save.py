"""Which smaller checkpoint is to be written where; what cannot be is refused before a model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from iclscope.core.errors import require
from iclscope.core.files import check_writable
from iclscope.language_models.settings import RECOMMENDED, PruneSettings


class Save(NamedTuple):
    """What smaller model is written where.

    Attributes:
        folder: a new or an empty one.
        rate: one of those measured; None: the recommended one.
        score: one of those measured; None: the recommended one, else the first.
    """

    folder: Path
    rate: float | None = None
    score: str | None = None


class Saved(NamedTuple):
    """A checkpoint that was written.

    Attributes:
        folder: where to.
        score: by what neurons were chosen.
        rate: the share that was removed.
        bytes_on_disk: of its weights.
    """

    folder: Path
    score: str
    rate: float
    bytes_on_disk: int


def check_save(save: Save, settings: PruneSettings, out: Path | None = None) -> None:
    """Refuse what cannot be saved, before anything is computed.

    Args:
        save: what is asked for.
        settings: what is measured.
        out: the folder of results; None: not known yet.

    Raises:
        BadRequest: if the folder is not empty or holds the results, or the score or rate is not measured.
    """
    check_empty(save.folder)
    if save.rate is not None:
        allowed = f"{RECOMMENDED}, or one of --rates: {', '.join(f'{rate:g}' for rate in settings.rates)}"
        require(save.rate in settings.rates, "--save-rate", save.rate, allowed)
    if save.score is not None:
        allowed = f"one of --score: {', '.join(settings.scores)}"
        require(save.score in settings.scores, "--save-score", save.score, allowed)
    if out is not None:
        apart = not out.resolve().is_relative_to(save.folder.resolve())
        require(apart, "--save", str(save.folder), f"a folder that does not hold the results in {out}")


def check_empty(folder: Path, option: str = "--save") -> None:
    """Refuse a folder for a checkpoint that is not empty or cannot be written to, before anything is computed.

    Raises:
        BadRequest: naming the option.
    """
    check_writable(folder, option)
    require(not folder.exists() or not any(folder.iterdir()), option, str(folder), "a new or an empty folder")
