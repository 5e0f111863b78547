"""How a model answers queries behind demonstrations: each number of them, chosen by each selector, in each draw."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TypeVar

import polars as pl

from iclscope.claims.crossed import crossed_rate
from iclscope.language_models.measurement import Measurement, Unit
from iclscope.language_models.prompts.answers import crossed
from iclscope.language_models.prompts.draws import generator, shuffled_labels
from iclscope.language_models.prompts.format import CONTENT_FREE
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.scoring import OnProgress
from iclscope.language_models.prompts.too_long import Fitted, Plan, fit_prompts, fitted_answers
from iclscope.language_models.prompts.undecided import with_undecided
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selectors import Choice, TextFeatures, check_shots, choose
from iclscope.language_models.selectors.random_selectors import AT_RANDOM
from iclscope.language_models.settings import ShotsAndSelectors
from iclscope.language_models.texts.labelled_text import LabelledTexts

AS_GIVEN, SHUFFLED, OTHER_PATTERNS = "as given", "shuffled labels", "other patterns"
"""Arms. Two controls: labels shuffled; and the farthest patterns first, labels balanced all the same."""

ShotsT = TypeVar("ShotsT", bound=ShotsAndSelectors)


class QueryMeasurement(Measurement[ShotsT, pl.DataFrame]):
    """A measurement that asks all queries.

    The rows have the columns of `answers`, and ``arm``, ``selector``, ``shots``, ``draw`` and ``undecided`` (whether
    the selector could not tell texts apart, so that chance chose).

    Attributes:
        seen: what selectors look at.
    """

    def __init__(self, prepared: Prepared, settings: ShotsT, folder: RunFolder | None = None) -> None:
        """Nothing is read yet.

        Raises:
            BadRequest: if the pool is too small.
        """
        super().__init__(prepared, settings, folder)
        self.seen = self.text_features(prepared)
        check_shots(prepared.sampled, settings.shots)

    def text_features(self, prepared: Prepared) -> TextFeatures:
        """What selectors look at."""
        return TextFeatures(prepared.language_model, prepared.sampled, prepared.format, seed=prepared.settings.seed)

    @abstractmethod
    def arms(self, draws: Iterable[int]) -> list[tuple[str, str, int, int]]:
        """Arm, selector, shots and draw of each unit."""

    def units(self, prepared: Prepared) -> list[Unit]:
        """One for each of `arms`, those with the longest prompts first to be measured."""
        return [_unit(len(prepared.sampled.queries.texts), *one) for one in self.arms(range(prepared.settings.draws))]

    def fit(self) -> Fitted[Unit]:
        """Choose all demonstrations, and see that all prompts fit."""
        checked = self.units_to_check(self.units(self.prepared))
        return fit_prompts(self.prepared, {unit: Plan(self.chosen(unit), self._pool(unit).at) for unit in checked})

    def chosen(self, unit: Unit) -> Choice:
        """The demonstrations of a unit."""
        arm, name, shots, draw = unit.tags.values()
        seed, far = draw_seed(self.prepared.settings.seed, draw), arm == OTHER_PATTERNS
        return choose(name, self.seen.language_model, self.seen.sampled, shots, seed, seen=self.seen, far=far)

    def run(self, fitted: Fitted[Unit], unit: Unit, on_progress: OnProgress | None) -> pl.DataFrame:
        """Ask the queries of a unit."""
        choice, pool = fitted.choices[unit], self._pool(unit)
        return with_undecided(
            fitted_answers(fitted.prepared, choice, unit.tags["shots"], pool=pool, on_progress=on_progress), choice
        )

    def _pool(self, unit: Unit) -> LabelledTexts:
        """What demonstrations are taken from: labels are shuffled for the control."""
        pool, seed = self.prepared.sampled.pool, self.prepared.settings.seed
        return shuffled_labels(pool, draw_seed(seed, unit.tags["draw"])) if unit.tags["arm"] == SHUFFLED else pool


def _unit(queries: int, arm: str, selector: str, shots: int, draw: int) -> Unit:
    free = len(CONTENT_FREE)  # asked once behind demonstrations that all queries share, else behind those of each
    return Unit(
        name=f"{arm}-{selector}-{shots}-shots-draw-{draw}".replace(" ", "-"),
        tags={"arm": arm, "selector": selector, "shots": shots, "draw": draw},
        prompts=queries + free if selector in AT_RANDOM else queries * (1 + free),
        turn=-shots,
    )


def draw_seed(seed: int, draw: int) -> int:
    """The seed of one draw of demonstrations."""
    return int(generator(seed, "draw", draw).integers(2**31))


def accuracy_table(rows: pl.DataFrame, by: Sequence[str] = ("arm", "selector", "shots")) -> pl.DataFrame:
    """Accuracies with 95 % intervals over draws and queries.

    Args:
        rows: of `QueryMeasurement`, or any with ``draw``, ``query``, ``correct`` and ``calibrated_correct``.
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
