"""Which demonstrations are nearest to a query in pattern, whatever their labels."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32

from iclscope.language_models.models.hidden_states import text_states
from iclscope.language_models.prompts.prepared import Prepared
from iclscope.language_models.selectors.patterns import Patterns, find_patterns
from iclscope.language_models.selectors.random_selectors import balanced
from iclscope.language_models.texts.labelled_text import LabelledTexts

_EXAMPLES = 256
"""Texts of the pool, balanced over labels, that show what all texts share and what tells labels apart."""


class NearestDemonstrations:
    """Compares queries with demonstrations in the model's hidden states; read when first needed."""

    def __init__(self, prepared: Prepared, queries: LabelledTexts) -> None:
        """Nothing is read yet.

        Args:
            prepared: model, pool and format.
            queries: what is asked; their labels are not looked at.
        """
        self._prepared, self._queries = prepared, queries

    @cached_property
    def _patterns(self) -> Patterns:
        sampled = self._prepared.sampled
        examples = sampled.pool.at(
            balanced(sampled, min(_EXAMPLES, len(sampled.pool.texts)), self._prepared.settings.seed)
        )
        return find_patterns(self._states(examples), examples.labels, 1, self._prepared.settings.seed)

    @cached_property
    def _query_directions(self) -> Float32[np.ndarray, "query channel"]:
        return self._patterns.directions(self._states(self._queries))

    def _states(self, texts: LabelledTexts) -> Float32[np.ndarray, "text channel"]:
        form = self._prepared.format
        return text_states(self._prepared.language_model, [form.render_query(text) for text in texts.texts]).last

    def nearest_half(self, shown: LabelledTexts) -> Bool[np.ndarray, "query demonstration"]:
        """The half of the demonstrations, rounded down, nearest to each query.

        Near is a large cosine between the states of the last token behind the middle layer, less the mean of the pool
        and less what tells labels apart: the measure that `find_patterns` clusters by.

        Args:
            shown: the demonstrations.
        """
        cosines = self._query_directions @ self._patterns.directions(self._states(shown)).T
        return nearest_half(cosines)


def nearest_half(cosines: Float32[np.ndarray, "query demonstration"]) -> Bool[np.ndarray, "query demonstration"]:
    """The largest half of each row, rounded down; of equal ones the first."""
    order = np.argsort(-cosines, axis=1, kind="stable")
    near = np.zeros(cosines.shape, dtype=bool)
    np.put_along_axis(near, order[:, : cosines.shape[1] // 2], True, axis=1)
    return near
