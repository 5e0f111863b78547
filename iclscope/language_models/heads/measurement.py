"""The measurement of `iclscope llm attention`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from iclscope.claims.claim import JudgedClaim
from iclscope.language_models.evaluation.rows import SHUFFLED
from iclscope.language_models.heads.claims import attention_claims
from iclscope.language_models.heads.concentration import LEAST_MASS, heads_table
from iclscope.language_models.heads.figure import attention_figure, heads_text
from iclscope.language_models.heads.prompts import fit_attention, measured_queries, shown_demonstrations
from iclscope.language_models.heads.reading import demonstration_attention
from iclscope.language_models.heads.rows import (
    NEAREST,
    NEAREST_OTHER,
    OWN_LABEL,
    RANDOM_QUERY,
    SAME_LABEL,
    Group,
    grouped_rows,
    label_group,
)
from iclscope.language_models.measurement import Measurement, Unit
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.scoring import OnProgress
from iclscope.language_models.prompts.too_long import Fitted
from iclscope.language_models.report import Interpretation
from iclscope.language_models.selectors.nearest_demonstrations import NearestDemonstrations
from iclscope.language_models.settings import AttentionSettings

BY_QUERY = "by query"
"""The table of what each query gave; it is kept in parts alone. ``rows`` has a row per head, arm and kind of token."""


class Attention(Measurement[AttentionSettings, pl.DataFrame]):
    """Where each head looks from the query.

    The table `BY_QUERY` has a row per ``arm``, ``draw``, ``query`` (its place), ``layer`` and ``head``, with ``label``
    (which decides which demonstrations count as the same), ``half`` of the query, and attention: ``same`` (to those
    that count), ``total`` (to all demonstrations), ``share`` (the part of the total that those would have if heads did
    not look at the query, as `Group` says), and with ``_words`` the same of what writes their labels.
    """

    command = "attention"
    about = "Attention from a query to the demonstrations of its label"

    def units(self, prepared: Prepared) -> list[Unit]:
        """Each draw with its labels as given, then with these dealt among the demonstrations."""
        count = len(measured_queries(prepared.sampled, prepared.settings.seed).places)
        return [
            Unit(f"{name}-draw-{draw}", {"shuffled": shuffled, "draw": draw}, count, table=BY_QUERY)
            for shuffled, name in ((False, "as-given"), (True, "shuffled"))
            for draw in range(prepared.settings.draws)
        ]

    def fit(self) -> Fitted[Unit]:
        """Choose the demonstrations of each draw, and see that the prompts of all measured queries fit."""
        fitted = fit_attention(self.prepared, self.settings.shots, self.units_to_check(self.units(self.prepared)))
        sampled = fitted.prepared.sampled
        self.queries = measured_queries(sampled, self.prepared.settings.seed)
        self.nearest = NearestDemonstrations(fitted.prepared, sampled.queries.at(self.queries.places))
        return fitted

    def run(self, fitted: Fitted[Unit], unit: Unit, on_progress: OnProgress | None) -> pl.DataFrame:
        """Read the prompts of a unit, and sum attention over the demonstrations that count as the same."""
        prepared, queries, places = fitted.prepared, self.queries, fitted.choices[unit].demonstrations[0]
        shown = shown_demonstrations(prepared, unit, places)
        texts = prepared.sampled.queries.at(queries.places).texts
        model, form, classes = prepared.language_model, prepared.format, prepared.sampled.classes
        attention = demonstration_attention(model, form, shown, texts, classes, on_progress=on_progress)
        own = label_group(queries.labels, shown.labels)
        if unit.tags["shuffled"]:
            before = label_group(queries.labels, prepared.sampled.pool.at(places).labels)
            return grouped_rows(attention, queries, {SHUFFLED: own, OWN_LABEL: before})
        near = self.nearest.nearest_half(shown)
        everyone = ("",) * len(queries.places)
        groups = {
            SAME_LABEL: own,
            RANDOM_QUERY: label_group(queries.dealt, shown.labels),
            NEAREST: Group(everyone, near, paired=True),
            NEAREST_OTHER: Group(everyone, near[list(queries.others)], paired=True),
        }
        return grouped_rows(attention, queries, groups)

    def results(self, tables: Mapping[str, pl.DataFrame]) -> Mapping[str, pl.DataFrame]:
        """The heads."""
        return {"rows": heads_table(tables[BY_QUERY])}

    def claims(self, tables: Mapping[str, pl.DataFrame]) -> Sequence[JudgedClaim]:
        """Whether some heads concentrate."""
        return attention_claims(tables[BY_QUERY])

    def interpretation(self, fitted: Fitted[Unit], tables: Mapping[str, pl.DataFrame]) -> Interpretation[pl.DataFrame]:
        """Maps of all heads."""
        heads, left_out = tables["rows"], self.queries.left_out
        few = [f"Too few queries to measure, and left out: those labelled {', '.join(left_out)}."] if left_out else []
        return Interpretation(
            heads,
            figure=attention_figure(heads),
            tables=[heads_text(heads)],
            notes=[*fitted.notes, *few],
            settings={
                "demonstrations": f"{self.settings.shots}, balanced",
                "queries measured": str(len(self.queries.places)),
                "heads ranked first": f"those that give demonstrations at least {LEAST_MASS:g} of their attention",
            },
            extra={"heads": heads},
        )
