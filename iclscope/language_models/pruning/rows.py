"""What is lost when MLP neurons are removed: accuracy of in-context learning, and perplexity, against the rate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Float
from pydantic import Field, field_validator
from torch import Tensor

from iclscope.core.errors import require
from iclscope.core.settings import Settings
from iclscope.language_models.evaluation.rows import draw_seed
from iclscope.language_models.models.mlp_layout import mlp_layout
from iclscope.language_models.one_or_more import OneOrMore, one_or_more
from iclscope.language_models.prompts.draws import generator
from iclscope.language_models.prompts.label_lengths import DEFAULT, LabelScore, check_label_score
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.prompts.scoring import Told
from iclscope.language_models.prompts.too_long import Fitted, Plan, fit_prompts, fitted_answers, to_be_checked
from iclscope.language_models.pruning.neuron_scores import SCORES, Norm, ScoreName, activity, magnitudes
from iclscope.language_models.pruning.perplexity import text_surprise
from iclscope.language_models.pruning.pruned import without_neurons
from iclscope.language_models.pruning.texts import PruningTexts, pruning_texts
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selectors import choose
from iclscope.pruning import Method, kept_neurons

WHOLE = "none"
"""The score's name of the model as it is."""

_METHODS: dict[str, Method] = {
    "magnitude": "smallest",
    "activation": "smallest",
    "random": "random",
    "largest": "largest",
}


class PruneSettings(Settings):
    """What is removed, and what is measured then.

    Attributes:
        rates: shares of the neurons of each layer that are removed; none at all is measured always.
        scores: by what neurons are chosen.
        shots: demonstrations per prompt, balanced over the labels.
        norm: which norm of a neuron's weights ``magnitude`` and ``largest`` go by.
        prompts: how many prompts of demonstrations ``activation`` is measured on.
        texts: how many others perplexity is measured on.
        timings: how often each latency is measured; 0: not at all.
        label_score: what labels are compared by in tables, figures and claims; the rows have all of them.
    """

    rates: OneOrMore[float] = Field((0.05, 0.1, 0.2, 0.3, 0.4), min_length=1)
    scores: OneOrMore[ScoreName] = Field(SCORES, min_length=1)
    shots: int = 8
    norm: Norm = "auto"
    prompts: int = 16
    texts: int = 8
    timings: int = 5
    label_score: LabelScore = DEFAULT

    @field_validator("label_score", mode="before")
    @classmethod
    def _known_score(cls, value: str) -> str:
        return check_label_score(value)

    @field_validator("rates")
    @classmethod
    def _shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        for rate in value:
            require(0 < rate < 1, "--rates", rate, "shares above 0 and below 1: at 1 no neuron is left")
        return tuple(sorted(set(value)))

    @field_validator("scores", mode="before")
    @classmethod
    def _known(cls, value: object) -> tuple[str, ...]:
        names: Sequence[str] = one_or_more(value)
        for name in names:
            require(name in SCORES, "--score", name, ", ".join(SCORES))
        return tuple(dict.fromkeys(names))

    @field_validator("shots", "prompts", "texts", "timings")
    @classmethod
    def _enough(cls, value: int, info: object) -> int:
        name = getattr(info, "field_name", "shots")
        least = 0 if name == "timings" else 1
        require(value >= least, f"--{name}", value, f"a whole number from {least} on")
        return value


class Unit(NamedTuple):
    """What is measured at a time, and kept when it is finished."""

    score: str
    rate: float
    draw: int


ASKED, READ = "answers", "texts"
"""What is measured in a unit: answers to queries, and perplexity."""


def part_name(kind: str, unit: Unit) -> str:
    """The name under which rows are kept."""
    return f"{kind}-{unit.score}-{unit.rate:g}-draw-{unit.draw}"


class PruneRows(NamedTuple):
    """What was measured.

    Attributes:
        answers: a row per score, rate, draw and query: ``score``, ``rate``, ``draw`` and the columns of `answers`.
        texts: a row per score, rate, draw and text: ``text``, ``tokens`` (how many were predicted), ``surprise`` (the
            sum of −log p over them). Only ``random`` removes other neurons in each draw; of others draw 0 is measured.
    """

    answers: pl.DataFrame
    texts: pl.DataFrame


def units(settings: PruneSettings, draws: int) -> list[Unit]:
    """All that is asked: the whole model first."""
    whole = [Unit(WHOLE, 0.0, draw) for draw in range(draws)]
    pairs = [(score, rate) for score in settings.scores for rate in settings.rates]
    return whole + [Unit(score, rate, draw) for score, rate in pairs for draw in range(draws)]


def reads_texts(unit: Unit) -> bool:
    """Whether perplexity is measured in a unit: not where an earlier draw removes the same neurons."""
    return unit.draw == 0 or unit.score == "random"


def removed_neurons(rate: float, width: int) -> int:
    """How many neurons of each layer a rate removes.

    Raises:
        BadRequest: if none is removed, or none left.
    """
    count = round(rate * width)
    allowed = f"shares that remove at least 1 of the {width} neurons of a layer and leave at least 1"
    require(1 <= count < width, "--rates", rate, allowed)
    return count


class Neurons:
    """Which neurons of a model stay, by score and rate. Of one score, what goes at one rate is gone at larger ones."""

    def __init__(self, prepared: Prepared, settings: PruneSettings, folder: RunFolder | None = None) -> None:
        """Nothing is scored yet.

        Args:
            prepared: model and texts.
            settings: scores and rates.
            folder: where the activity of neurons is kept; None: nowhere.

        Raises:
            BadRequest: if the model's MLPs are of no known layout, a rate leaves nothing, or a prompt is too long.
        """
        layout = mlp_layout(prepared.language_model)
        self._shape = (len(layout.mlps), layout.width)
        for rate in settings.rates:
            removed_neurons(rate, layout.width)
        self._prepared, self._settings, self._folder = prepared, settings, folder
        self._scores: dict[str, Float[Tensor, "layer neuron"]] = {}
        self.texts: PruningTexts = pruning_texts(
            prepared,
            shots=settings.shots,
            scored=settings.prompts,
            held_out=settings.texts,
            seed=int(generator(prepared.settings.seed, "pruning texts").integers(2**31)),
        )

    def kept(self, unit: Unit) -> Bool[Tensor, "layer neuron"]:
        """The neurons that stay in a unit; all of them in the whole model."""
        if unit.score == WHOLE:
            return torch.ones(self._shape, dtype=torch.bool)
        method = _METHODS[unit.score]
        seeds = None
        if method == "random":
            numbers = generator(self._prepared.settings.seed, "random neurons", unit.draw)
            seeds = [int(seed) for seed in numbers.integers(2**31, size=self._shape[0])]
        return kept_neurons(self.scores(unit.score), unit.rate, method, seeds=seeds)

    def scores(self, score: str) -> Float[Tensor, "layer neuron"]:
        """What neurons are ranked by; of ``random``, nothing."""
        name = "magnitude" if score == "largest" else score
        if name not in self._scores:
            self._scores[name] = self._scored(name)
        return self._scores[name]

    def _scored(self, name: str) -> Float[Tensor, "layer neuron"]:
        if name == "random":
            return torch.zeros(self._shape)
        if name == "magnitude":
            return magnitudes(self._prepared.language_model, self._settings.norm)

        def measured() -> pl.DataFrame:
            found = activity(self._prepared.language_model, self.texts.scored)
            return pl.DataFrame({"activity": found.flatten().numpy()})

        rows = self._folder.part("activity", measured) if self._folder is not None else measured()
        return torch.from_numpy(rows["activity"].to_numpy().copy()).view(self._shape)


def fit_pruning(prepared: Prepared, settings: PruneSettings, folder: RunFolder | None = None) -> Fitted[int]:
    """Choose the demonstrations of each draw, and see that all prompts fit.

    Args:
        prepared: model and texts.
        settings: what to remove.
        folder: where finished parts are kept; None: nowhere.

    Raises:
        BadRequest: as `fit_prompts`.
    """
    every = units(settings, prepared.settings.draws)

    def parts(draw: int) -> list[str]:
        return [part_name(ASKED, unit) for unit in every if unit.draw == draw]

    def plan(draw: int) -> Plan:
        seed = draw_seed(prepared.settings.seed, draw)
        choice = choose("balanced", prepared.language_model, prepared.asked, settings.shots, seed)
        return Plan(choice, prepared.asked.pool.at)

    draws = to_be_checked(prepared, range(prepared.settings.draws), folder, parts)
    return fit_prompts(prepared, {draw: plan(draw) for draw in draws})


def prune_rows(
    prepared: Prepared,
    settings: PruneSettings,
    folder: RunFolder | None = None,
    *,
    neurons: Neurons | None = None,
    fitted: Fitted[int] | None = None,
    told: Told | None = None,
) -> PruneRows:
    """Ask all queries and read all texts without the neurons of each score and rate.

    Neurons are masked: they give zero, as if they were cut; the model's weights stay as they are.

    Args:
        prepared: model and texts.
        settings: what to remove.
        folder: where finished parts are kept; None: nowhere.
        neurons: of the same settings; None: scored anew.
        fitted: of `fit_pruning`; None: found now.
        told: is told how many prompts and texts have been read.

    Raises:
        BadRequest: if the model's MLPs are of no known layout, a rate leaves nothing, the pool is too small or a prompt
            too long.
    """
    which = Neurons(prepared, settings, folder) if neurons is None else neurons
    fits = fit_pruning(prepared, settings, folder) if fitted is None else fitted
    folder = None if folder is None else folder.marked(fits.mark)

    def asked(unit: Unit) -> pl.DataFrame:
        with without_neurons(prepared.language_model, which.kept(unit)):
            return fitted_answers(fits.prepared, fits.choices[unit.draw], settings.shots, told=told)

    def read(unit: Unit) -> pl.DataFrame:
        tokens = which.texts.held_out
        with without_neurons(prepared.language_model, which.kept(unit)):
            surprise = text_surprise(prepared.language_model, tokens, told=told)
        counts = [len(row) - 1 for row in tokens]
        return pl.DataFrame({"text": np.arange(len(tokens)), "tokens": counts, "surprise": surprise})

    def part(kind: str, unit: Unit) -> pl.DataFrame:
        make = partial(asked if kind == ASKED else read, unit)
        found = make() if folder is None else folder.part(part_name(kind, unit), make)
        tagged = [pl.lit(value).alias(name) for name, value in zip(Unit._fields, unit, strict=True)]
        return found.select(*tagged, pl.all())

    every = units(settings, prepared.settings.draws)
    found: dict[tuple[str, Unit], pl.DataFrame] = {}
    # A draw of all scores and rates before the next draw: what an interrupted run leaves can be compared.
    for unit in sorted(every, key=lambda unit: unit.draw):
        found[ASKED, unit] = part(ASKED, unit)
    for unit in filter(reads_texts, every):
        found[READ, unit] = part(READ, unit)
    rows = [pl.concat([found[kind, unit] for unit in every if (kind, unit) in found]) for kind in (ASKED, READ)]
    return PruneRows(*rows)
