"""What selectors look at: candidates of the pool, how alike texts are, and which pattern they have."""

from __future__ import annotations

import importlib.util
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from iclscope.core.addresses import without_secrets
from iclscope.core.errors import refused, require
from iclscope.language_models.models.hidden_states import TextStates, text_states
from iclscope.language_models.models.loading import LanguageModel, quiet_transformers
from iclscope.language_models.prompts.draws import SampledTask, generator
from iclscope.language_models.prompts.format import PromptFormat
from iclscope.language_models.selectors.patterns import Patterns, find_patterns, unit
from iclscope.language_models.settings import SelectorOptions
from iclscope.language_models.texts.labelled_text import LabelledTexts


class TextFeatures:
    """Candidates and queries of a run; each is read by the model once, when first needed.

    Attributes:
        language_model: whose hidden states are taken.
        sampled: pool and queries; the labels of queries are never looked at.
        options: how.
        candidates: places in the pool, each class among them.
    """

    def __init__(
        self,
        language_model: LanguageModel,
        sampled: SampledTask,
        form: PromptFormat | None = None,
        options: SelectorOptions | None = None,
        seed: int = 0,
    ) -> None:
        """Draw the candidates; nothing is read yet.

        Args:
            language_model: whose hidden states are taken.
            sampled: pool and queries.
            form: how an example is written; texts are read as queries are.
            options: how selectors look at texts.
            seed: of the candidates and of the patterns.
        """
        self.language_model, self.sampled = language_model, sampled
        self.options = options or SelectorOptions()
        self._form, self._seed = form or PromptFormat(), seed
        order = _each_class_first(generator(seed, "candidates").permutation(len(sampled.pool.texts)), sampled.pool)
        self.candidates: Int64[np.ndarray, " candidate"] = np.sort(order[: self.options.candidates])

    @property
    def pool(self) -> LabelledTexts:
        """The candidates."""
        return self.sampled.pool.at(self.candidates.tolist())

    @cached_property
    def _states(self) -> tuple[TextStates, TextStates]:
        texts = (*self.pool.texts, *self.sampled.queries.texts)
        found = text_states(self.language_model, [self._form.render_query(text) for text in texts])
        split = len(self.candidates)
        return found.at(range(split)), found.at(range(split, len(texts)))

    @cached_property
    def encoder(self) -> Any:
        """The model of ``sentence-transformers`` that `SelectorOptions.embeddings` names.

        Raises:
            BadRequest: if the package is missing, or there is no such model.
        """
        return _sentence_encoder(self.options.embeddings or "", str(self.language_model.device))

    @cached_property
    def directions(self) -> tuple[Float32[np.ndarray, "candidate channel"], Float32[np.ndarray, "query channel"]]:
        """Vectors of length 1 of candidates and of queries; their products are cosines.

        Of the model's own hidden states: the mean over tokens behind the middle layer, less the candidates' mean,
        which is what all texts have in common (Mu & Viswanath, "All-but-the-top", 2018).
        """
        if self.options.embeddings is not None:
            texts = [*self.pool.texts, *self.sampled.queries.texts]
            both = np.asarray(self.encoder.encode(texts, show_progress_bar=False), dtype=np.float32)
            allowed = "a model that gives finite numbers for all texts"
            require(bool(np.isfinite(both).all()), "--embeddings", self.options.embeddings, allowed)
            return unit(both[: len(self.candidates)]), unit(both[len(self.candidates) :])
        pool, queries = self._states
        centre = pool.mean.mean(axis=0)
        return unit(pool.mean - centre), unit(queries.mean - centre)

    @cached_property
    def patterns(self) -> Patterns:
        """The patterns of the candidates, found in the last token's hidden state behind the middle layer."""
        return find_patterns(self._states[0].last, self.pool.labels, self.options.patterns, self._seed)

    @cached_property
    def similarity(self) -> tuple[Float32[np.ndarray, "candidate pattern"], Float32[np.ndarray, "query pattern"]]:
        """Cosines of candidates and of queries with the patterns' centres."""
        return self.patterns.similarity(self._states[0].last), self.patterns.similarity(self._states[1].last)

    @property
    def pool_patterns(self) -> Int64[np.ndarray, " candidate"]:
        """The pattern of each candidate."""
        nearest: Int64[np.ndarray, " candidate"] = self.similarity[0].argmax(axis=1)
        return nearest

    @property
    def query_patterns(self) -> Int64[np.ndarray, " query"]:
        """The pattern of each query."""
        nearest: Int64[np.ndarray, " query"] = self.similarity[1].argmax(axis=1)
        return nearest

    def drawn(self, shots: int, seed: int) -> Int64[np.ndarray, " candidate"]:
        """Half of the candidates, by their places among these: what selectors may show in one draw.

        Most selectors leave nothing to chance; so that draws tell how much a result hangs on the pool that happens to
        be there, each has its own half. Where half is fewer than asked for, as many more as that takes.

        Raises:
            BadRequest: if there are fewer candidates than shots.
        """
        count = len(self.candidates)
        require(shots <= count, "--shots", shots, f"at most {count}, the number of candidates")
        order = _each_class_first(generator(seed, "half of the candidates").permutation(count), self.pool)
        return np.sort(order[: max(count // 2, shots)])


def _each_class_first(order: Int64[np.ndarray, " text"], pool: LabelledTexts) -> Int64[np.ndarray, " text"]:
    """The same order after one text of each class."""
    _, firsts = np.unique(np.asarray(pool.labels)[order], return_index=True)
    firsts = np.sort(firsts)
    return np.concatenate([order[firsts], np.delete(order, firsts)])


def _sentence_encoder(name: str, device: str) -> Any:
    if importlib.util.find_spec("sentence_transformers") is None:
        raise refused(
            "--embeddings",
            name,
            ("nothing, for the model's own hidden states, until pip install sentence-transformers was run"),
        )
    from sentence_transformers import SentenceTransformer

    try:
        with quiet_transformers():
            return SentenceTransformer(name, device=device)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        short = without_secrets(" ".join(str(error).split()), name)[:160]
        allowed = f"a sentence-transformers model on the hub that can be reached, or a folder with one: {short}"
        raise refused("--embeddings", name, allowed) from error
