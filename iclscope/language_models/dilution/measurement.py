"""The measurement of `iclscope llm dose`: prompts of which a share α' is about the task."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float32

from iclscope.claims.claim import JudgedClaim
from iclscope.core.errors import require
from iclscope.language_models.dilution.advice import crossing, sentences
from iclscope.language_models.dilution.claims import dose_claims
from iclscope.language_models.dilution.demonstrations import (
    ANYWHERE,
    FIRST,
    LAST,
    Mixed,
    dosed,
    irrelevant_texts,
    mean_place,
    mixed,
)
from iclscope.language_models.dilution.figure import arm_of, dose_figure, dose_text
from iclscope.language_models.dilution.learners import learned_answers
from iclscope.language_models.dilution.settings import FLIPPED, DoseSettings
from iclscope.language_models.evaluation.rows import AS_GIVEN, SHUFFLED, accuracy_table, draw_seed
from iclscope.language_models.measurement import Measurement, Unit
from iclscope.language_models.models.hidden_states import middle_layer, text_states
from iclscope.language_models.models.remote import RemoteModel
from iclscope.language_models.prompts.format import CONTENT_FREE
from iclscope.language_models.prompts.label_lengths import compared_by, judged_by, label_notes
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.scoring import OnProgress
from iclscope.language_models.prompts.too_long import Fitted, Plan, fit_prompts, fitted_answers
from iclscope.language_models.report import Interpretation
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selectors import Choice
from iclscope.language_models.settings import DROP_SHOTS, REFUSE, SKIP


class Dose(Measurement[DoseSettings, pl.DataFrame]):
    """How accurate in-context learning is where only a share of the demonstrations is about the task.

    The rows have the columns of `answers` and ``arm``, ``shots``, ``alpha``, ``draw``, ``place`` (where the others
    stand on average, 0 first and 1 last), ``knn_correct`` and ``logistic_correct`` (of learners on the same
    demonstrations). Places of demonstrations at and above the size of the pool are those of the others.
    """

    command = "dose"
    about = "Error of in-context learning against the share of relevant demonstrations"
    by_answers = True

    def __init__(self, prepared: Prepared, settings: DoseSettings, folder: RunFolder | None = None) -> None:
        """Nothing is read yet.

        Raises:
            BadRequest: if the irrelevant texts cannot be read, are too few or the task's own, the pool is too small, or
                demonstrations were to be dropped from long prompts.
        """
        super().__init__(prepared, settings, folder)
        way = prepared.settings.too_long
        require(
            way != DROP_SHOTS,
            "--too-long",
            way,
            f"{REFUSE} or {SKIP}: without its first demonstrations a prompt has another α'",
        )
        self._texts = others_of(prepared, settings)
        self._pools: dict[tuple[int, bool], Mixed] = {}
        self._states: dict[str, Float32[np.ndarray, " channel"]] = {}
        self._pool(0, shuffled=False)

    @classmethod
    def noted(cls, prepared: Prepared, settings: DoseSettings) -> Mapping[str, Any]:
        """All of the settings that decides the rows; of the irrelevant texts, what they are."""
        digest = hashlib.sha256(json.dumps(others_of(prepared, settings)).encode()).hexdigest()[:16]
        return {**settings.model_dump(mode="json", exclude={"label_score", "irrelevant"}), "irrelevant": digest}

    def units(self, prepared: Prepared) -> list[Unit]:
        """All shares of all numbers of demonstrations.

        Beside them, as a control, with labels shuffled: all shares at the most demonstrations, the smallest above 0
        also at the fewest; and with the others first or last, at the most demonstrations and the share nearest to ½.
        """
        shots, alphas = self.settings.shots, self.settings.alphas
        arms = [(AS_GIVEN, number, alpha) for number in shots for alpha in alphas]
        arms += [(SHUFFLED, shots[-1], alpha) for alpha in alphas]
        small = [alpha for alpha in alphas if 0 < alpha < 1]
        if small and len(shots) > 1:
            arms.append((SHUFFLED, shots[0], small[0]))
        if small:
            half = min(small, key=lambda alpha: abs(alpha - 0.5))
            arms += [(arm_of(where), shots[-1], half) for where in (FIRST, LAST)]
        prompts = len(prepared.sampled.queries.texts) + len(CONTENT_FREE)
        return [
            Unit(
                name=f"{arm}-{number}-shots-{alpha:g}-draw-{draw}".replace(" ", "-"),
                tags={"arm": arm, "shots": number, "alpha": alpha, "draw": draw},
                prompts=prompts,
                turn=-number,
            )
            for arm, number, alpha in arms
            for draw in range(prepared.settings.draws)
        ]

    def fit(self) -> Fitted[Unit]:
        """Choose all demonstrations, and see that all prompts fit."""
        checked = self.units_to_check(self.units(self.prepared))
        return fit_prompts(self.prepared, {unit: Plan(self._chosen(unit), self._of(unit).texts.at) for unit in checked})

    def run(self, fitted: Fitted[Unit], unit: Unit, on_progress: OnProgress | None) -> pl.DataFrame:
        """Ask the queries of a unit, and let the learners answer them."""
        choice, pool, sampled = fitted.choices[unit], self._of(unit), fitted.prepared.sampled
        rows = fitted_answers(fitted.prepared, choice, unit.tags["shots"], pool=pool.texts, on_progress=on_progress)
        if isinstance(fitted.prepared.language_model, RemoteModel):  # it shows no hidden states
            return rows.with_columns(place=pl.lit(mean_place(choice.demonstrations[0], pool), dtype=pl.Float64))
        shown = pool.texts.at(choice.demonstrations[0])
        learned = learned_answers(self._read(shown.texts), shown.labels, self._read(sampled.queries.texts))
        right = list(sampled.queries.labels)
        return rows.with_columns(
            place=pl.lit(mean_place(choice.demonstrations[0], pool), dtype=pl.Float64),
            **{
                f"{name}_correct": pl.Series([one == label for one, label in zip(found, right, strict=True)])
                for name, found in learned.items()
            },
        )

    def claims(self, tables: Mapping[str, pl.DataFrame]) -> Sequence[JudgedClaim]:
        """Whether the theory's rules of α' and l carry over."""
        return dose_claims(judged_by(tables["rows"], self.settings.label_score))

    def interpretation(self, fitted: Fitted[Unit], tables: Mapping[str, pl.DataFrame]) -> Interpretation[pl.DataFrame]:
        """Errors over α' and l, and how many demonstrations may be irrelevant."""
        rows, settings = tables["rows"], self.settings
        judged, labels = judged_by(rows, settings.label_score), fitted.prepared.sampled.queries.labels
        chance = max(labels.count(label) for label in labels) / len(labels)
        what = "wrongly labelled" if settings.labels == FLIPPED else "irrelevant"
        said = sentences(judged, what=what)
        return Interpretation(
            rows,
            figure=dose_figure(judged, chance, what=what),
            tables=[dose_text(judged)],
            notes=[
                *fitted.notes,
                *(f"{one[0].upper()}{one[1:]}." for one in said),
                *(_crossings(judged, chance) if settings.labels == FLIPPED else []),
                *label_notes(fitted.prepared.sampled.classes, settings.label_score),
            ],
            settings={
                "labels compared by": compared_by(settings.label_score),
                "labels of the others": settings.labels,
                **_states_named(fitted.prepared),
            },
            extra={"sentences": said},
        )

    def _chosen(self, unit: Unit) -> Choice:
        shots, alpha, draw = (unit.tags[name] for name in ("shots", "alpha", "draw"))
        where = next((one for one in (FIRST, LAST) if unit.tags["arm"] == arm_of(one)), ANYWHERE)
        seed = draw_seed(self.prepared.settings.seed, draw)
        shown = dosed(self._of(unit), shots, self.settings.relevant(shots, alpha), seed, where)
        return Choice((shown,) * len(self.prepared.sampled.queries.texts), True)

    def _of(self, unit: Unit) -> Mixed:
        return self._pool(unit.tags["draw"], shuffled=unit.tags["arm"] == SHUFFLED)

    def _pool(self, draw: int, *, shuffled: bool) -> Mixed:
        """What demonstrations of a draw are taken from."""
        if (draw, shuffled) not in self._pools:
            seed = draw_seed(self.prepared.settings.seed, draw)
            self._pools[draw, shuffled] = mixed(
                self.prepared.sampled, self.settings, self._texts, seed, shuffled=shuffled
            )
        return self._pools[draw, shuffled]

    def _read(self, texts: tuple[str, ...]) -> Float32[np.ndarray, "text channel"]:
        """Hidden states of texts as they are asked; each is read once."""
        new = [text for text in dict.fromkeys(texts) if text not in self._states]
        if new:
            form = self.prepared.format
            found = text_states(self.prepared.language_model, [form.render_query(text) for text in new]).last
            self._states |= dict(zip(new, found, strict=True))
        return np.stack([self._states[text] for text in texts])


def others_of(prepared: Prepared, settings: DoseSettings) -> tuple[str, ...]:
    """The irrelevant texts of a measurement.

    Raises:
        BadRequest: as `irrelevant_texts`.
    """
    columns = prepared.settings
    return irrelevant_texts(
        prepared.sampled, settings, text=columns.text, label=columns.label, encoding=columns.encoding
    )


def _states_named(prepared: Prepared) -> dict[str, str]:
    if isinstance(prepared.language_model, RemoteModel):
        return {}
    return {"hidden states": f"of the last token behind layer {middle_layer(prepared.language_model)}"}


def _crossings(rows: pl.DataFrame, chance: float) -> list[str]:
    """Where accuracy falls below that of the most frequent label."""
    found = []
    table = accuracy_table(rows.filter(pl.col("arm") == AS_GIVEN), by=("shots", "alpha"))
    for (shots,), part in table.sort("shots", "alpha").group_by("shots", maintain_order=True):
        at = crossing(part["alpha"].to_list(), part["calibrated"].to_list(), chance)
        if at is not None:
            found.append(
                f"At {shots} demonstrations calibrated accuracy falls below that of the most frequent label "
                f"({100 * chance:.0f} %) where more than {100 * (1 - at):.0f} % are wrongly labelled."
            )
    return found
