"""Which neurons go, by score and rate; and the rows of what is lost without them."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from iclscope.core.errors import require
from iclscope.language_models.models.mlp_layout import mlp_layout
from iclscope.language_models.prompts.draws import generator
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.pruning.neuron_scores import activity, magnitudes
from iclscope.language_models.pruning.texts import PruningTexts, pruning_texts
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.settings import PruneSettings
from iclscope.pruning import Method, kept_neurons

WHOLE = "none"
"""The score's name of the model as it is."""

_METHODS: dict[str, Method] = {
    "magnitude": "smallest",
    "activation": "smallest",
    "random": "random",
    "largest": "largest",
}


class PruneRows(NamedTuple):
    """What was measured.

    Attributes:
        answers: a row per score, rate, draw and query: ``score``, ``rate``, ``draw`` and the columns of `answers`.
        texts: a row per score, rate, draw and text: ``text``, ``tokens`` (how many were predicted), ``surprise`` (the
            sum of −log p over them). Only ``random`` removes other neurons in each draw; of others draw 0 is measured.
    """

    answers: pl.DataFrame
    texts: pl.DataFrame


def removed_neurons(rate: float, width: int, option: str = "--rates") -> int:
    """How many neurons of each layer a rate, given by an option, removes.

    Raises:
        BadRequest: if none is removed, or none left.
    """
    count = round(rate * width)
    allowed = f"shares that remove at least 1 of the {width} neurons of a layer and leave at least 1"
    require(1 <= count < width, option, rate, allowed)
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

    def kept(self, score: str, rate: float, draw: int = 0) -> Bool[Tensor, "layer neuron"]:
        """The neurons that stay; all of them in the whole model. Only ``random`` keeps others in each draw."""
        if score == WHOLE:
            return torch.ones(self._shape, dtype=torch.bool)
        method = _METHODS[score]
        seeds = None
        if method == "random":
            numbers = generator(self._prepared.settings.seed, "random neurons", draw)
            seeds = [int(seed) for seed in numbers.integers(2**31, size=self._shape[0])]
        return kept_neurons(self.scores(score), rate, method, seeds=seeds)

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
