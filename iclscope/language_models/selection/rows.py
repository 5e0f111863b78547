"""How accurate in-context learning is with each selector of demonstrations, and how many share the query's pattern."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import polars as pl
from pydantic import Field

from iclscope.core.errors import require
from iclscope.language_models.evaluation.rows import (
    AS_GIVEN,
    SHUFFLED,
    ShotsAndSelectors,
    Unit,
    draw_seed,
    fit_units,
    pool_of,
    rows_of_units,
)
from iclscope.language_models.one_or_more import OneOrMore
from iclscope.language_models.prompts.draws import Asked, generator
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.scoring import Told
from iclscope.language_models.prompts.too_long import Fitted, fitted_answers
from iclscope.language_models.prompts.undecided import with_undecided
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selectors import SELECTORS, Choice, SeenTexts, SelectorOptions, choose
from iclscope.language_models.selectors.patterns import pattern_share

OTHER_PATTERNS = "other patterns"
"""The arm of the control: the selector ``pattern`` with the farthest patterns first, labels balanced all the same."""

BALANCED, PATTERN = "balanced", "pattern"


class SelectSettings(ShotsAndSelectors):
    """What is compared: selectors at the same numbers of shots.

    Attributes:
        options: how selectors look at texts.
    """

    least_shots: ClassVar[int] = 1

    shots: OneOrMore[int] = Field((2, 4, 8, 16), min_length=1)
    selectors: OneOrMore[str] = Field(SELECTORS, min_length=1)
    options: SelectorOptions = SelectorOptions()


def units(settings: SelectSettings, draws: int) -> list[Unit]:
    """All that is to be measured.

    Two controls go with it: ``pattern`` with other patterns, at all numbers of shots; and, at the most shots,
    ``pattern`` (without it, the first selector) among texts whose labels were dealt at random.
    """
    arms = [(AS_GIVEN, name, shots) for name in settings.selectors for shots in settings.shots]
    control = settings.selectors[0]
    if PATTERN in settings.selectors:
        arms += [(OTHER_PATTERNS, PATTERN, shots) for shots in settings.shots]
        control = PATTERN
    arms.append((SHUFFLED, control, settings.shots[-1]))
    return [Unit(*arm, draw) for arm in arms for draw in range(draws)]


def narrowed(prepared: Prepared, settings: SelectSettings) -> Prepared:
    """The same with the candidates alone as the pool, so that all selectors choose among the same texts."""
    seen = SeenTexts(prepared.language_model, prepared.asked, options=settings.options, seed=prepared.settings.seed)
    return prepared._replace(asked=prepared.asked._replace(pool=seen.pool))


def see(prepared: Prepared, settings: SelectSettings) -> SeenTexts:
    """What selectors look at, of what `narrowed` gave.

    Raises:
        BadRequest: if there are fewer candidates than shots or patterns, or no such embeddings.
    """
    asked, options = prepared.asked, settings.options
    count = len(asked.pool.texts)
    require(settings.shots[-1] <= count, "--shots", settings.shots[-1], f"at most {count}, the number of candidates")
    allowed = f"at most {count}, the number of candidates"
    require(options.patterns <= count, "--patterns", options.patterns, allowed)
    seen = SeenTexts(prepared.language_model, asked, prepared.format, options, prepared.settings.seed)
    if options.embeddings is not None:
        assert seen.encoder  # a wrong name is told before anything is measured
    return seen


def select_rows(
    prepared: Prepared,
    settings: SelectSettings,
    seen: SeenTexts,
    folder: RunFolder | None = None,
    *,
    fitted: Fitted[Unit] | None = None,
    told: Told | None = None,
) -> pl.DataFrame:
    """Ask all queries with each selector at each number of shots, for each draw.

    Args:
        prepared: model and texts, of `narrowed`, or of ``fitted``.
        settings: what to compare.
        seen: of `see`, of the same queries.
        folder: where finished parts are kept; None: nowhere.
        fitted: of `fit_selection`; None: found now.
        told: is told how many prompts have been read.

    Returns:
        The columns of `answers`, with ``arm``, ``selector``, ``shots``, ``draw``, ``undecided`` (whether the selector
        could not tell texts apart, so that chance chose), ``pattern`` (of the query), ``alpha``
        (the share of its demonstrations that have it), and ``alpha_elsewhere`` (the share that has the pattern of
        another query, drawn at random: a control).

    Raises:
        BadRequest: if a prompt is too long; nothing has been asked then.
    """
    fits = fit_selection(prepared, settings, seen, folder) if fitted is None else fitted
    if len(seen.asked.queries.texts) != len(fits.prepared.asked.queries.texts):
        seen = see(fits.prepared, settings)

    def measure(unit: Unit) -> pl.DataFrame:
        choice = fits.choices[unit]
        pool = pool_of(fits.prepared, unit)
        found = fitted_answers(fits.prepared, choice, unit.shots, pool=pool, told=told)
        alphas = _alphas(seen, fits.prepared.asked, choice, prepared.settings.seed)
        return with_undecided(found, choice).with_columns(**alphas)

    parts = None if folder is None else folder.marked(fits.mark)
    return rows_of_units(units(settings, prepared.settings.draws), measure, parts)


def fit_selection(
    prepared: Prepared, settings: SelectSettings, seen: SeenTexts, folder: RunFolder | None = None
) -> Fitted[Unit]:
    """Choose all demonstrations, and see that all prompts fit.

    Args:
        prepared: model and texts, of `narrowed`.
        settings: what to compare.
        seen: of `see`.
        folder: where finished parts are kept; None: nowhere.

    Raises:
        BadRequest: as `fit_prompts`.
    """
    every = units(settings, prepared.settings.draws)
    return fit_units(prepared, every, lambda unit: chosen(seen, unit, prepared.settings.seed), folder)


def chosen(seen: SeenTexts, unit: Unit, seed: int) -> Choice:
    """The demonstrations of a unit, of a run with this seed."""
    far = unit.arm == OTHER_PATTERNS
    drawn = draw_seed(seed, unit.draw)
    return choose(unit.selector, seen.language_model, seen.asked, unit.shots, drawn, seen=seen, far=far)


def _alphas(seen: SeenTexts, asked: Asked, choice: Choice, seed: int) -> dict[str, pl.Series]:
    of_pool, of_query = seen.pool_patterns, seen.query_patterns
    elsewhere = of_query[generator(seed, "patterns of other queries").permutation(len(asked.queries.texts))]
    return {
        "pattern": pl.Series(of_query.astype(np.int64)),
        "alpha": pl.Series(pattern_share(choice.demonstrations, of_pool, of_query)),
        "alpha_elsewhere": pl.Series(pattern_share(choice.demonstrations, of_pool, elsewhere)),
    }
