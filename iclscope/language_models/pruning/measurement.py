"""The measurement of `iclscope llm prune`, and a smaller checkpoint, measured or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from iclscope import __version__
from iclscope.claims.claim import JudgedClaim
from iclscope.core.errors import require
from iclscope.language_models.evaluation.rows import draw_seed
from iclscope.language_models.measurement import Measurement, Unit
from iclscope.language_models.models.mlp_layout import mlp_layout
from iclscope.language_models.prompts.format import CONTENT_FREE
from iclscope.language_models.prompts.label_lengths import compared_by, judged_by, label_notes
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.scoring import OnProgress
from iclscope.language_models.prompts.too_long import Fitted, Plan, fit_prompts, fitted_answers
from iclscope.language_models.pruning.claims import RATE, prune_claims
from iclscope.language_models.pruning.cost import cost_rows
from iclscope.language_models.pruning.figure import costs_text, points_text, prune_figure
from iclscope.language_models.pruning.losses import Point, Recommendation, prune_points, recommend
from iclscope.language_models.pruning.neuron_scores import resolved_norm
from iclscope.language_models.pruning.perplexity import nll
from iclscope.language_models.pruning.pruned import check_saveable, pruned_model, save_checkpoint, without_neurons
from iclscope.language_models.pruning.rows import WHOLE, Neurons, PruneRows, removed_neurons
from iclscope.language_models.pruning.save import Save, Saved, check_save
from iclscope.language_models.report import Interpretation
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selectors import check_shots, choose
from iclscope.language_models.settings import PruneSettings

ANSWERS, TEXTS, COSTS = "rows", "texts", "costs"
"""The tables: answers to queries, perplexity, and what is saved."""


class Pruning(Measurement[PruneSettings, PruneRows]):
    """What is lost when MLP neurons are removed: accuracy of in-context learning, and perplexity, against the rate.

    Neurons are masked: they give zero, as if they were cut; the model's weights stay as they are.
    """

    command = "prune"
    about = "What is lost when neurons of the MLPs are removed"
    claims_need = f"{RATE:g} among --rates, and magnitude beside largest or activation beside random"

    def __init__(
        self, prepared: Prepared, settings: PruneSettings, folder: RunFolder | None = None, *, save: Save | None = None
    ) -> None:
        """Nothing is read yet.

        Args:
            prepared: model and texts.
            settings: what to remove.
            folder: where finished parts are kept; None: nowhere.
            save: what smaller model to write; None: none.

        Raises:
            BadRequest: if the model's MLPs are of no known layout, a rate leaves nothing, the pool is too small, or the
                checkpoint cannot be saved as asked.
        """
        super().__init__(prepared, settings, folder)
        if save is not None:
            check_save(save, settings, None if folder is None else folder.path)
            check_saveable(prepared.language_model)
        self._save, self._neurons = save, Neurons(prepared, settings, folder)
        check_shots(prepared.sampled, [settings.shots])

    def units(self, prepared: Prepared) -> list[Unit]:
        """Answers and perplexity at all rates of all scores, the whole model first; and costs.

        A draw of all scores and rates is asked before the next draw: what an interrupted run leaves can be compared. A
        text is not read again where an earlier draw removes the same neurons.
        """
        pairs = [(WHOLE, 0.0), *((score, rate) for score in self.settings.scores for rate in self.settings.rates)]
        draws, texts = prepared.settings.draws, len(self._neurons.texts.held_out)
        sampled = len(prepared.sampled.queries.texts) + len(CONTENT_FREE)
        found = []
        for kind, table, prompts in (("answers", ANSWERS, sampled), ("texts", TEXTS, texts)):
            for score, rate, draw in ((*pair, draw) for pair in pairs for draw in range(draws)):
                if table == ANSWERS or draw == 0 or score == "random":
                    name, tags = f"{kind}-{score}-{rate:g}-draw-{draw}", {"score": score, "rate": rate, "draw": draw}
                    found.append(Unit(name, tags, prompts, draw if table == ANSWERS else draws, table))
        return [*found, *([Unit(COSTS, {}, 0, draws + 1, COSTS)] if self.settings.timings > 0 else [])]

    def fit(self) -> Fitted[int]:
        """Choose the demonstrations of each draw, and see that all prompts fit."""
        prepared = self.prepared
        sampled = self.units_to_check(unit for unit in self.units(prepared) if unit.table == ANSWERS)
        plans = {}
        for draw in sorted({unit.tags["draw"] for unit in sampled}):
            seed = draw_seed(prepared.settings.seed, draw)
            choice = choose("balanced", prepared.language_model, prepared.sampled, self.settings.shots, seed)
            plans[draw] = Plan(choice, prepared.sampled.pool.at)
        return fit_prompts(prepared, plans)

    def run(self, fitted: Fitted[int], unit: Unit, on_progress: OnProgress | None) -> pl.DataFrame:
        """Ask all queries, or read all texts, without the neurons of a unit; or measure what all rates save."""
        model, tokens, settings = self.prepared.language_model, self._neurons.texts.held_out, self.settings
        if unit.table == COSTS:
            counts = [removed_neurons(rate, mlp_layout(model).width) for rate in settings.rates]
            costs = cost_rows(model, counts, tokens[0], repeats=settings.timings)
            return costs.with_columns(rate=pl.Series(settings.rates))
        with without_neurons(model, self._neurons.kept(**unit.tags)):
            if unit.table == ANSWERS:
                return fitted_answers(
                    fitted.prepared, fitted.choices[unit.tags["draw"]], settings.shots, on_progress=on_progress
                )
            nlls = nll(model, tokens, on_progress=on_progress)
        counts = [len(row) - 1 for row in tokens]
        return pl.DataFrame({"text": np.arange(len(tokens)), "tokens": counts, "surprise": nlls})

    def claims(self, tables: Mapping[str, pl.DataFrame]) -> Sequence[JudgedClaim]:
        """Whether the scores beat their controls."""
        return prune_claims(self._judged(tables))

    def interpretation(self, fitted: Fitted[int], tables: Mapping[str, pl.DataFrame]) -> Interpretation[PruneRows]:
        """What is lost and saved, which rate may go, and the smaller checkpoint, which is written now."""
        prepared, settings, neurons = fitted.prepared, self.settings, self._neurons
        rows, costs = PruneRows(tables[ANSWERS], tables[TEXTS]), tables.get(COSTS)
        labels = prepared.sampled.queries.labels
        chance = max(labels.count(label) for label in set(labels)) / len(labels)
        points = prune_points(self._judged(tables))
        recommendation = recommend(points, chance, queries=len(labels))
        saved = self._saved(points, recommendation)
        named = _named(prepared, settings, neurons)
        if saved is not None:
            removed = f"{100 * saved.rate:g} % of the neurons removed by {saved.score}"
            named["saved"] = f"{removed}, {saved.bytes_on_disk / 1e6:.1f} MB of weights"
        return Interpretation(
            rows,
            figure=prune_figure(points, chance, recommendation.reason),
            tables=[points_text(points), *([] if costs is None else [costs_text(costs)])],
            notes=[
                *fitted.notes,
                *neurons.texts.notes,
                *recommendation.warnings,
                *label_notes(prepared.sampled.classes, settings.label_score),
            ],
            settings=named,
            extra={"costs": costs, "points": points, "recommendation": recommendation, "saved": saved},
        )

    def _judged(self, tables: Mapping[str, pl.DataFrame]) -> PruneRows:
        return PruneRows(judged_by(tables[ANSWERS], self.settings.label_score), tables[TEXTS])

    def _saved(self, points: Sequence[Point], found: Recommendation) -> Saved | None:
        if self._save is None:
            return None
        score = self._save.score or found.score or self.settings.scores[0]
        rate = self._save.rate
        if rate is None:
            rate = found.rate if self._save.score in (None, found.score) else found.rates.get(score, 0.0)
        if rate == 0:
            return None
        point = next(point for point in points if (point.score, point.rate) == (score, rate))
        measured = {"calibrated accuracy": point.calibrated[:3], "loss of calibrated accuracy": point.loss[:3]}
        return _cut_and_saved(self.prepared, self._neurons, self._save.folder, score, rate, measured)


def save_unmeasured(prepared: Prepared, settings: PruneSettings, folder: Path) -> Saved:
    """Write a smaller checkpoint, and measure nothing: its neurons are those that a measurement would remove.

    Args:
        prepared: model and texts; the model stays as it is.
        settings: one rate and one score, and what neurons are scored by.
        folder: a new or an empty one.

    Raises:
        BadRequest: if there are several rates or scores, the model's MLPs are of no known layout, the rate leaves
            nothing, or the checkpoint cannot be saved.
    """
    for option, value in (("--rates", settings.rates), ("--score", settings.scores)):
        require(len(value) == 1, option, list(value), "one, where nothing is measured")
    (rate,), (score,) = settings.rates, settings.scores
    check_save(Save(folder), settings)
    check_saveable(prepared.language_model)
    removed_neurons(rate, mlp_layout(prepared.language_model).width, "--save-rate")
    return _cut_and_saved(prepared, Neurons(prepared, settings), folder, score, rate, {})


def _cut_and_saved(
    prepared: Prepared, neurons: Neurons, folder: Path, score: str, rate: float, measured: Mapping[str, object]
) -> Saved:
    kept = neurons.kept(score, rate)
    note = {
        "made by": "iclscope llm prune",
        "iclscope": __version__,
        "model": prepared.language_model.name,
        "data": prepared.sampled.name,
        "score": score,
        "rate": rate,
        "neurons per layer": {"before": kept.shape[1], "after": int(kept[0].sum())},
        **measured,
    }
    return Saved(folder, score, rate, save_checkpoint(pruned_model(prepared.language_model, kept), folder, note))


def _named(prepared: Prepared, settings: PruneSettings, neurons: Neurons) -> dict[str, str]:
    norm = resolved_norm(mlp_layout(prepared.language_model), settings.norm)
    tokens = [sum(len(row) for row in part) for part in (neurons.texts.scored, neurons.texts.held_out)]
    return {
        "labels compared by": compared_by(settings.label_score),
        "demonstrations": f"{settings.shots}, balanced",
        "magnitude": f"{norm} weights",
        "activation": f"on {len(neurons.texts.scored)} prompts of demonstrations, {tokens[0]} tokens",
        "perplexity": f"on {len(neurons.texts.held_out)} others, {tokens[1]} tokens",
    }
