"""The measurement of `iclscope llm evaluate`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from iclscope.claims.claim import JudgedClaim
from iclscope.language_models.evaluation.report import accuracy_text, evaluate_claims, evaluate_figure
from iclscope.language_models.evaluation.rows import AS_GIVEN, SHUFFLED, QueryMeasurement
from iclscope.language_models.evaluation.spread import paired_text, spread_text
from iclscope.language_models.measurement import Unit
from iclscope.language_models.prompts.label_lengths import compared_by, judged_by, label_notes
from iclscope.language_models.prompts.too_long import Fitted
from iclscope.language_models.prompts.undecided import undecided_notes
from iclscope.language_models.report import Interpretation
from iclscope.language_models.settings import EvaluateSettings


class Evaluation(QueryMeasurement[EvaluateSettings]):
    """How accurate in-context learning is, against the number of demonstrations."""

    command = "evaluate"
    about = "Accuracy of in-context learning against the number of demonstrations"
    claims_need = "0 and a larger number among --shots"
    by_answers = True

    def arms(self, draws: Iterable[int]) -> list[tuple[str, str, int, int]]:
        """All numbers of shots with all selectors; the control, shuffled labels, at the most shots.

        Without demonstrations there is nothing to draw or to choose: one unit, of draw 0, of the first selector.
        """
        first, most = self.settings.selectors[0], self.settings.shots[-1]
        kinds = [(AS_GIVEN, name, shots) for shots in self.settings.shots if shots for name in self.settings.selectors]
        kinds += [(SHUFFLED, first, most)] if most else []
        none = [(AS_GIVEN, first, 0, 0)] if self.settings.shots[0] == 0 else []
        return none + [(*kind, draw) for kind in kinds for draw in draws]

    def claims(self, tables: Mapping[str, pl.DataFrame]) -> Sequence[JudgedClaim]:
        """Whether demonstrations help."""
        return evaluate_claims(judged_by(tables["rows"], self.settings.label_score))

    def interpretation(self, fitted: Fitted[Unit], tables: Mapping[str, pl.DataFrame]) -> Interpretation[pl.DataFrame]:
        """Accuracies, and how they vary."""
        rows, score = tables["rows"], self.settings.label_score
        judged, classes = judged_by(rows, score), fitted.prepared.sampled.classes
        paired = paired_text(judged.filter(pl.col("arm") == AS_GIVEN))
        return Interpretation(
            rows,
            figure=evaluate_figure(fitted.prepared, judged),
            tables=[accuracy_text(judged)],
            appendix=[*([] if paired is None else [paired]), spread_text(judged, classes)],
            notes=[*fitted.notes, *label_notes(classes, score), *undecided_notes(rows)],
            settings={"labels compared by": compared_by(score)},
        )
