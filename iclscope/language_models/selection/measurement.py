"""The measurement of `iclscope llm select`: selectors at equal shots, and how many demonstrations share a pattern."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from iclscope.claims.claim import JudgedClaim
from iclscope.core.errors import require
from iclscope.language_models.evaluation.rows import AS_GIVEN, OTHER_PATTERNS, SHUFFLED, QueryMeasurement
from iclscope.language_models.measurement import Unit
from iclscope.language_models.models.fingerprint import encoder_hash
from iclscope.language_models.models.hidden_states import middle_layer
from iclscope.language_models.prompts.draws import generator
from iclscope.language_models.prompts.label_lengths import compared_by, judged_by, label_notes
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.scoring import OnProgress
from iclscope.language_models.prompts.too_long import Fitted
from iclscope.language_models.prompts.undecided import undecided_notes
from iclscope.language_models.report import Interpretation
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selection.claims import PATTERN, select_claims
from iclscope.language_models.selection.figure import explanations, select_figure, select_text, shots_text
from iclscope.language_models.selectors import TextFeatures
from iclscope.language_models.selectors.patterns import pattern_share
from iclscope.language_models.settings import SelectSettings

_EXPLAINED = 2
"""Of how many queries the page tells the demonstrations, at least."""


class Selection(QueryMeasurement[SelectSettings]):
    """How accurate in-context learning is with each selector, all choosing among the same texts: the candidates.

    In addition to the columns of `QueryMeasurement`, the rows have ``pattern`` (of the query), ``alpha`` (the share of
    its demonstrations that have it), and ``alpha_elsewhere`` (the share that has the pattern of another query, drawn at
    random, as a control).
    """

    command = "select"
    about = "Which demonstrations help"
    claims_need = "balanced and pattern among the selectors"

    def __init__(
        self, prepared: Prepared, settings: SelectSettings, folder: RunFolder | None = None, *, explain: int = 0
    ) -> None:
        """Nothing is read yet.

        Args:
            prepared: model and texts.
            settings: what to compare.
            folder: where finished parts are kept; None: nowhere.
            explain: of how many queries the demonstrations are told.

        Raises:
            BadRequest: if there are fewer candidates than shots or patterns, or no such embeddings.
        """
        seed = prepared.settings.seed
        pool = TextFeatures(prepared.language_model, prepared.sampled, options=settings.options, seed=seed).pool
        super().__init__(prepared._replace(sampled=prepared.sampled._replace(pool=pool)), settings, folder)
        self._explain = explain

    @classmethod
    def noted(cls, prepared: Prepared, settings: SelectSettings) -> Mapping[str, Any]:
        """As of every measurement; of the embeddings, which model they are of."""
        found = super().noted(prepared, settings)
        if settings.options.embeddings is None:
            return found
        seen = TextFeatures(prepared.language_model, prepared.sampled, options=settings.options)
        return {**found, "embeddings": encoder_hash(seen.encoder)}

    def text_features(self, prepared: Prepared) -> TextFeatures:
        """What selectors look at."""
        sampled, options, most = prepared.sampled, self.settings.options, self.settings.shots[-1]
        count = len(sampled.pool.texts)
        for option, value in (("--shots", most), ("--patterns", options.patterns)):
            require(value <= count, option, value, f"at most {count}, the number of candidates")
        seen = TextFeatures(prepared.language_model, sampled, prepared.format, options, prepared.settings.seed)
        if options.embeddings is not None:
            assert seen.encoder  # a wrong name is told before anything is measured
        return seen

    def arms(self, draws: Iterable[int]) -> list[tuple[str, str, int, int]]:
        """All selectors at all numbers of shots, with two controls.

        ``pattern`` with other patterns, at all numbers of shots; and, at the most shots, ``pattern`` (without it, the
        first selector) among texts whose labels were dealt at random.
        """
        shots, names = self.settings.shots, self.settings.selectors
        far = [PATTERN] if PATTERN in names else []
        kinds = [*((AS_GIVEN, name) for name in names), *((OTHER_PATTERNS, name) for name in far)]
        arms = [(*kind, number) for kind in kinds for number in shots]
        arms.append((SHUFFLED, (*far, names[0])[0], shots[-1]))
        return [(*arm, draw) for arm in arms for draw in draws]

    def fit(self) -> Fitted[Unit]:
        """Choose all demonstrations, and see that all prompts fit."""
        fitted = super().fit()
        if fitted.left_out:
            self.seen = self.text_features(fitted.prepared)
        return fitted

    def run(self, fitted: Fitted[Unit], unit: Unit, on_progress: OnProgress | None) -> pl.DataFrame:
        """Ask the queries of a unit, and count the demonstrations of their patterns."""
        rows, shown = super().run(fitted, unit, on_progress), fitted.choices[unit].demonstrations
        of_pool, of_query = self.seen.pool_patterns, self.seen.query_patterns
        order = generator(self.prepared.settings.seed, "patterns of other queries").permutation(len(of_query))
        return rows.with_columns(
            pattern=pl.Series(of_query.astype(np.int64)),
            alpha=pl.Series(pattern_share(shown, of_pool, of_query)),
            alpha_elsewhere=pl.Series(pattern_share(shown, of_pool, of_query[order])),
        )

    def claims(self, tables: Mapping[str, pl.DataFrame]) -> Sequence[JudgedClaim]:
        """Whether sharing the query's pattern helps."""
        return select_claims(judged_by(tables["rows"], self.settings.label_score))

    def interpretation(self, fitted: Fitted[Unit], tables: Mapping[str, pl.DataFrame]) -> Interpretation[pl.DataFrame]:
        """Accuracies, what α' does to them, shots needed, and what some queries were shown."""
        rows, score, options = tables["rows"], self.settings.label_score, self.settings.options
        judged = judged_by(rows, score)
        layer = middle_layer(fitted.prepared.language_model)
        first = {"arm": AS_GIVEN, "shots": self.settings.shots[-1], "draw": 0}
        shown = {
            unit.tags["selector"]: fitted.choices.get(unit) or self.chosen(unit)
            for unit in self.units(fitted.prepared)
            if first.items() <= unit.tags.items()
        }
        explained = explanations(self.seen, shown, max(self._explain, _EXPLAINED))
        return Interpretation(
            rows,
            figure=select_figure(judged),
            tables=[select_text(judged), shots_text(judged)],
            appendix=explained,
            notes=[
                *fitted.notes,
                "Selectors that look at the query choose among a random half of the pool, another in each draw; "
                "intervals tell how much the pool matters.",
                *undecided_notes(rows),
                *label_notes(fitted.prepared.sampled.classes, score),
            ],
            settings={
                "labels compared by": compared_by(score),
                "patterns": f"{options.patterns}, by k-means of the last token's hidden state behind layer {layer}",
                "likeness by": options.embeddings
                or f"the model's own hidden states: mean over tokens behind layer {layer}",
            },
            extra={"explained": explained[: self._explain]},
        )
