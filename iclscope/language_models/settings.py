"""What may be asked of a language model: the settings of all measurements, and the names that options take.

Nothing here imports PyTorch or transformers, so that help and refusals come at once.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator, model_validator

from iclscope.core.addresses import shown_address
from iclscope.core.errors import one_of_these, require
from iclscope.core.settings import Settings
from iclscope.language_models.one_or_more import OneOrMore, one_or_more
from iclscope.language_models.prompts.format import PromptFormat

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
DTYPES: tuple[Dtype, ...] = get_args(Dtype)
AUTO: Dtype = "auto"

Device = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[Device, ...] = get_args(Device)

TooLong = Literal["refuse", "skip", "drop-shots"]
TOO_LONG: tuple[TooLong, ...] = get_args(TooLong)
"""What is done with prompts that are longer than the model reads."""

REFUSE, SKIP, DROP_SHOTS = TOO_LONG

LOOKS = (4, 8, 16, 32)
"""Numbers of draws after which a run that goes on until the claims are decided looks at them."""
DRAWS = 3

SelectorName = Literal["random", "balanced", "similarity", "bm25", "diverse", "pattern"]
SELECTORS: tuple[SelectorName, ...] = get_args(SelectorName)

LabelScore = Literal["sum", "token", "character"]
LABEL_SCORES: tuple[LabelScore, ...] = get_args(LabelScore)
"""What labels are compared by: the sum of the log-probabilities of their tokens, or its mean per token or character."""

SUM: LabelScore = "sum"

ScoreName = Literal["magnitude", "activation", "random", "largest"]
SCORES: tuple[ScoreName, ...] = get_args(ScoreName)
"""``largest`` is magnitude with the largest removed first; it and ``random`` are controls."""

Norm = Literal["auto", "incoming", "outgoing", "product"]
NORMS: tuple[Norm, ...] = get_args(Norm)

RECOMMENDED = "recommended"
"""Stands for the rate that a measurement recommends."""


class ModelSource(Settings):
    """Which language model, and how to load it.

    Attributes:
        name: a name on the Hugging Face hub, a folder with a checkpoint in safetensors, or a GGUF file.
        revision: branch, tag or commit on the hub; None: its main one.
        dtype: of the weights; auto: bfloat16 where the GPU or processor multiplies in it, float32 elsewhere.
        device: auto: a GPU if there is one.
        trust_remote_code: whether to run Python code that comes with the model.
        api: an OpenAI-compatible address, as ``http://localhost:8000/v1``, where a model of this name is asked; None:
            it is loaded.
    """

    name: str
    revision: str | None = None
    dtype: Dtype = "auto"
    device: Device = "auto"
    trust_remote_code: bool = False
    api: str | None = None

    @field_validator("api")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        known = value is None or value.startswith(("http://", "https://"))
        require(known, "--api", shown_address(value or ""), "an address that begins with http:// or https://")
        return value

    @model_validator(mode="after")
    def _loaded_there(self) -> ModelSource:
        here = {"--dtype": self.dtype != AUTO, "--device": self.device != AUTO, "--revision": self.revision is not None}
        for option, given in here.items():
            require(self.api is None or not given, option, "given", "nothing with --api: the model is loaded there")
        return self


class TextMeasurement(Settings):
    """What is asked of which model: the settings that all measurements share.

    Attributes:
        model: which language model.
        data: ``words``, a file, a folder or a table in memory, as `load_task` takes it.
        test: the same for queries; None: the folder's own, or set aside from ``data``.
        text: the column of texts.
        label: the column of labels.
        words: label in the data → word that the model should answer with.
        encoding: of text files, as Python names it; None: UTF-8.
        format: how an example is written; a text alone is how it is written before its label.
        chat: whether demonstrations are turns of a chat, by the model's own template; a user's turn is what the format
            writes before a label.
        queries: how many queries, at most.
        draws: how many draws of demonstrations; at most, if ``until_decided``.
        until_decided: look at the claims after 4, 8, 16 and 32 draws, and stop when all are decided.
        seed: of queries and draws.
        too_long: what is done with prompts that are longer than the model reads: ``refuse`` them, ``skip`` their
            queries, or drop as many demonstrations as it takes, the first ones first (``drop-shots``).
    """

    model: ModelSource
    data: Any = "words"
    test: Any = None
    text: str = "text"
    label: str = "label"
    words: dict[str, str] = Field(default_factory=dict)
    encoding: str | None = None
    format: PromptFormat = Field(default_factory=PromptFormat)
    chat: bool = False
    queries: int = Field(200, ge=1)
    draws: int = Field(DRAWS, ge=1)
    until_decided: bool = False
    seed: int = Field(0, ge=0)
    too_long: TooLong = REFUSE

    @field_validator("too_long", mode="before")
    @classmethod
    def _known_way(cls, value: object) -> object:
        require(value in TOO_LONG, "--too-long", value, one_of_these(TOO_LONG))
        return value

    @model_validator(mode="before")
    @classmethod
    def _looks(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not given.get("until_decided"):
            return given
        draws = given.get("draws", LOOKS[-1])
        require(draws == LOOKS[-1], "--draws", draws, f"nothing with --until-decided, which looks at {LOOKS} draws")
        return {**given, "draws": draws}

    @model_validator(mode="after")
    def _completed_there(self) -> TextMeasurement:
        allowed = "nothing with --api, where texts are completed"
        require(not self.chat or self.model.api is None, "--chat", "given", allowed)
        return self

    @field_validator("model", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return ModelSource(name=os.fspath(value)) if isinstance(value, (str, os.PathLike)) else value

    @field_validator("words", mode="before")
    @classmethod
    def _by_text(cls, value: object) -> object:
        return {str(label): word for label, word in value.items()} if isinstance(value, Mapping) else value

    @field_validator("format", mode="before")
    @classmethod
    def _written(cls, value: object) -> object:
        return PromptFormat(query=value) if isinstance(value, str) else value


class SelectorOptions(Settings):
    """How selectors look at texts.

    Attributes:
        patterns: how many patterns the pool is split into.
        embeddings: a model of ``sentence-transformers`` that tells how alike texts are; None: hidden states of the
            language model itself.
        candidates: how many texts of the pool are looked at, at most; the others are never shown by selectors that
            look at the query.
    """

    patterns: int = Field(8, ge=1)
    embeddings: str | None = None
    candidates: int = Field(2000, ge=2)


class ByLabels(Settings):
    """What is measured by the answers of a model.

    Attributes:
        label_score: what labels are compared by in tables, figures and claims; the rows have all of them.
    """

    label_score: LabelScore = SUM

    @field_validator("label_score", mode="before")
    @classmethod
    def _known_label_score(cls, value: object) -> object:
        require(value in LABEL_SCORES, "--label-score", value, one_of_these(LABEL_SCORES))
        return value


class Shots(ByLabels):
    """How many demonstrations.

    Attributes:
        shots: numbers of demonstrations; made rising, each once.
    """

    least_shots: ClassVar[int] = 0

    shots: OneOrMore[int] = Field(min_length=1)

    @field_validator("shots")
    @classmethod
    def _increasing(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        allowed = f"whole numbers from {cls.least_shots} on"
        require(all(shots >= cls.least_shots for shots in value), "--shots", list(value), allowed)
        return tuple(sorted(set(value)))


class ShotsAndSelectors(Shots):
    """Which numbers of demonstrations, chosen how.

    Attributes:
        selectors: how demonstrations are chosen, at each number of them.
    """

    selectors: OneOrMore[str] = Field(min_length=1)

    @field_validator("selectors")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        check_selectors(value)
        return tuple(dict.fromkeys(value))


def check_selectors(names: Sequence[str]) -> None:
    """Refuse selectors that there are not, or whose package is missing.

    Raises:
        BadRequest: naming the first one.
    """
    for name in names:
        require(name in SELECTORS, "--selector", name, one_of_these(SELECTORS))
        there = name != "bm25" or importlib.util.find_spec("bm25s") is not None
        others = ", ".join(one for one in SELECTORS if one != "bm25")
        require(there, "--selector", name, f"{others}; bm25 too once pip install 'iclscope[llm]' was run")


class EvaluateSettings(ShotsAndSelectors):
    """What is evaluated: accuracy at each number of shots with each selector."""

    shots: OneOrMore[int] = Field((0, 2, 4, 8, 16), min_length=1)
    selectors: OneOrMore[str] = Field(("balanced",), min_length=1)


class SelectSettings(ShotsAndSelectors):
    """What is compared: selectors at the same numbers of shots.

    Attributes:
        options: how selectors look at texts.
    """

    least_shots: ClassVar[int] = 1

    shots: OneOrMore[int] = Field((2, 4, 8, 16), min_length=1)
    selectors: OneOrMore[str] = Field(SELECTORS, min_length=1)
    options: SelectorOptions = SelectorOptions()


class PruneSettings(ByLabels):
    """What is removed, and what is measured then.

    Attributes:
        rates: shares of the neurons of each layer that are removed; none at all is measured always.
        scores: by what neurons are chosen.
        shots: demonstrations per prompt, balanced over the labels.
        norm: which norm of a neuron's weights ``magnitude`` and ``largest`` go by.
        prompts: how many prompts of demonstrations ``activation`` is measured on.
        texts: how many others perplexity is measured on.
        timings: how often each latency is measured; 0: not at all.
    """

    rates: OneOrMore[float] = Field((0.05, 0.1, 0.2, 0.3, 0.4), min_length=1)
    scores: OneOrMore[ScoreName] = Field(SCORES, min_length=1)
    shots: int = 8
    norm: Norm = "auto"
    prompts: int = 16
    texts: int = 8
    timings: int = 5

    @field_validator("rates")
    @classmethod
    def _shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        for rate in value:
            require(0 < rate < 1, "--rates", rate, "shares above 0 and below 1, as 0.2; at 1 no neuron is left")
        return tuple(sorted(set(value)))

    @field_validator("scores", mode="before")
    @classmethod
    def _known(cls, value: object) -> tuple[str, ...]:
        names: Sequence[str] = one_or_more(value)
        for name in names:
            require(name in SCORES, "--score", name, one_of_these(SCORES))
        return tuple(dict.fromkeys(names))

    @field_validator("shots", "prompts", "texts", "timings")
    @classmethod
    def _enough(cls, value: int, info: object) -> int:
        name = getattr(info, "field_name", "shots")
        least = 0 if name == "timings" else 1
        require(value >= least, f"--{name}", value, f"a whole number from {least} on")
        return value


class AttentionSettings(Settings):
    """What is measured of attention.

    Attributes:
        shots: demonstrations per prompt, balanced over labels.
    """

    shots: int = Field(8, ge=2)
