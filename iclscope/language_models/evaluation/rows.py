"""How accurate in-context learning is, against the number of demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, NamedTuple

import polars as pl
from pydantic import Field, field_validator

from iclscope.claims.crossed import crossed_rate
from iclscope.core.errors import require
from iclscope.core.settings import Settings
from iclscope.language_models.one_or_more import OneOrMore
from iclscope.language_models.prompts.answers import crossed
from iclscope.language_models.prompts.draws import generator, shuffled_labels
from iclscope.language_models.prompts.label_lengths import DEFAULT, LabelScore, check_label_score
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.scoring import Told
from iclscope.language_models.prompts.too_long import Fitted, Plan, fit_prompts, fitted_answers, to_be_checked
from iclscope.language_models.prompts.undecided import with_undecided
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selectors import Choice, SeenTexts, check_selectors, choose
from iclscope.language_models.texts.labelled_text import LabelledTexts

AS_GIVEN, SHUFFLED = "as given", "shuffled labels"


class ShotsAndSelectors(Settings):
    """Which numbers of demonstrations, chosen how.

    Attributes:
        shots: numbers of demonstrations, the same for all selectors.
        selectors: how demonstrations are chosen.
        label_score: what labels are compared by in tables, figures and claims; the rows have all of them.
    """

    least_shots: ClassVar[int] = 0

    shots: OneOrMore[int] = Field(min_length=1)
    selectors: OneOrMore[str] = Field(min_length=1)
    label_score: LabelScore = DEFAULT

    @field_validator("label_score", mode="before")
    @classmethod
    def _known_score(cls, value: str) -> str:
        return check_label_score(value)

    @field_validator("shots")
    @classmethod
    def _increasing(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        allowed = f"whole numbers from {cls.least_shots} on"
        require(all(shots >= cls.least_shots for shots in value), "--shots", list(value), allowed)
        return tuple(sorted(set(value)))

    @field_validator("selectors")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        check_selectors(value)
        return tuple(dict.fromkeys(value))


class EvaluateSettings(ShotsAndSelectors):
    """What is evaluated: accuracy at each number of shots with each selector."""

    shots: OneOrMore[int] = Field((0, 2, 4, 8, 16), min_length=1)
    selectors: OneOrMore[str] = Field(("balanced",), min_length=1)


class Unit(NamedTuple):
    """What is measured at a time, and kept when it is finished."""

    arm: str
    selector: str
    shots: int
    draw: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.arm}-{self.selector}-{self.shots}-shots-draw-{self.draw}".replace(" ", "-")


def units(settings: EvaluateSettings, draws: int) -> list[Unit]:
    """All that is to be measured; the control, shuffled labels, at the most shots.

    Without demonstrations there is nothing to draw or to choose: one unit, of draw 0, of the first selector.
    """
    found = []
    for shots in settings.shots:
        if shots == 0:
            found.append(Unit(AS_GIVEN, settings.selectors[0], 0, 0))
            continue
        for name in settings.selectors:
            found += [Unit(AS_GIVEN, name, shots, draw) for draw in range(draws)]
    most = settings.shots[-1]
    if most > 0:
        found += [Unit(SHUFFLED, settings.selectors[0], most, draw) for draw in range(draws)]
    return found


def evaluate_rows(
    prepared: Prepared,
    settings: EvaluateSettings,
    folder: RunFolder | None = None,
    *,
    fitted: Fitted[Unit] | None = None,
    told: Told | None = None,
    began: Callable[[Unit], None] | None = None,
) -> pl.DataFrame:
    """Ask all queries at each number of shots, for each draw of demonstrations.

    Args:
        prepared: model and texts.
        settings: what to evaluate.
        folder: where finished parts are kept; None: nowhere.
        fitted: of `fit_evaluation`; None: found now.
        told: is told how many prompts have been read.
        began: is told which unit begins.

    Returns:
        The columns of `answers`, and ``arm``, ``selector``, ``shots``, ``draw``, ``undecided``.

    Raises:
        BadRequest: if the pool is too small or a prompt too long; nothing has been asked then.
    """
    fits = fit_evaluation(prepared, settings, folder) if fitted is None else fitted

    def measure(unit: Unit) -> pl.DataFrame:
        pool = pool_of(prepared, unit)
        choice = fits.choices[unit]
        found = fitted_answers(fits.prepared, choice, unit.shots, pool=pool, told=told)
        return with_undecided(found, choice)

    parts = None if folder is None else folder.marked(fits.mark)
    return rows_of_units(units(settings, prepared.settings.draws), measure, parts, began=began)


def fit_evaluation(prepared: Prepared, settings: EvaluateSettings, folder: RunFolder | None = None) -> Fitted[Unit]:
    """Choose all demonstrations, and see that all prompts fit.

    Args:
        prepared: model and texts.
        settings: what to evaluate.
        folder: where finished parts are kept; None: nowhere.

    Raises:
        BadRequest: as `fit_prompts`.
    """
    seen = SeenTexts(prepared.language_model, prepared.asked, prepared.format, seed=prepared.settings.seed)

    def chosen(unit: Unit) -> Choice:
        seed = draw_seed(prepared.settings.seed, unit.draw)
        return choose(unit.selector, prepared.language_model, prepared.asked, unit.shots, seed, seen=seen)

    return fit_units(prepared, units(settings, prepared.settings.draws), chosen, folder)


def fit_units(
    prepared: Prepared, every: Sequence[Unit], chosen: Callable[[Unit], Choice], folder: RunFolder | None = None
) -> Fitted[Unit]:
    """See that the prompts of all units fit.

    Args:
        prepared: model and texts.
        every: the units.
        chosen: the demonstrations of a unit.
        folder: where finished parts are kept; None: nowhere.

    Raises:
        BadRequest: as `fit_prompts`.
    """
    asked_for = to_be_checked(prepared, every, folder, lambda unit: [unit.name])
    return fit_prompts(prepared, {unit: Plan(chosen(unit), pool_of(prepared, unit).at) for unit in asked_for})


def pool_of(prepared: Prepared, unit: Unit) -> LabelledTexts:
    """What the demonstrations of a unit are taken from: the control's labels are dealt anew."""
    pool = prepared.asked.pool
    return shuffled_labels(pool, draw_seed(prepared.settings.seed, unit.draw)) if unit.arm == SHUFFLED else pool


def rows_of_units(
    asked_for: Sequence[Unit],
    measure: Callable[[Unit], pl.DataFrame],
    folder: RunFolder | None = None,
    *,
    began: Callable[[Unit], None] | None = None,
) -> pl.DataFrame:
    """Measure units, the longest prompts first.

    Args:
        asked_for: what to measure.
        measure: unit → its rows.
        folder: where finished parts are kept; None: nowhere.
        began: is told which unit begins.

    Returns:
        All rows in the order of the units, behind the columns of `Unit`.
    """
    found: dict[Unit, pl.DataFrame] = {}
    for unit in sorted(asked_for, key=lambda unit: -unit.shots):
        if began is not None:
            began(unit)
        part = folder.part(unit.name, partial(measure, unit)) if folder is not None else measure(unit)
        tagged = [pl.lit(value).alias(name) for name, value in zip(Unit._fields, unit, strict=True)]
        found[unit] = part.select(*tagged, pl.all())
    # Parts that an older version left may lack a column.
    return pl.concat([found[unit] for unit in asked_for], how="diagonal")


def draw_seed(seed: int, draw: int) -> int:
    """The seed of one draw of demonstrations."""
    return int(generator(seed, "draw", draw).integers(2**31))


def accuracy_table(rows: pl.DataFrame, by: Sequence[str] = ("arm", "selector", "shots")) -> pl.DataFrame:
    """Accuracies with 95 % intervals over draws and queries.

    Args:
        rows: of `evaluate_rows`, or any with ``draw``, ``query``, ``correct`` and ``calibrated_correct``.
        by: columns that tell the points apart.

    Returns:
        Columns ``by``, then ``accuracy``, ``low``, ``high``, ``calibrated``, ``calibrated_low``, ``calibrated_high``,
        ``draws``, ``queries``.
    """
    found = []
    for key, part in rows.group_by(list(by), maintain_order=True):
        plain, fair = (crossed_rate(crossed(part, name)) for name in ("correct", "calibrated_correct"))
        found.append(
            {
                **dict(zip(by, key, strict=True)),
                **{"accuracy": plain.value, "low": plain.low, "high": plain.high},
                **{"calibrated": fair.value, "calibrated_low": fair.low, "calibrated_high": fair.high},
                **{"draws": plain.seeds, "queries": part["query"].n_unique()},
            }
        )
    return pl.DataFrame(found)
