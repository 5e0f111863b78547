"""How demonstrations and a query become a prompt."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from pydantic import field_validator

from iclscope.core.errors import require
from iclscope.core.renamed import renamed_property
from iclscope.core.settings import Settings

CONTROL = "\U0010fffe"
"""A noncharacter of Unicode. Between two of them stands the name of a control token that a format means as one, such as
the beginning of a turn; in texts it is replaced, so that none can spell a command."""

CONTENT_FREE = ("N/A", "", "[MASK]")
"""Queries that say nothing (Zhao et al., "Calibrate before use", 2021, Section 5)."""


class PromptFormat(Settings):
    r"""How an example is written. In a prompt, demonstrations come first and the query, without its label, comes last.

    Attributes:
        query: a text with ``{text}`` in it; the label follows.
        label: how a label is written behind the query, with ``{label}`` in it. Its first character is a space for most
            tokenizers, which join a space with the word behind it.
        between: what stands between two examples.
        instruction: what stands before all.
    """

    query: str = "Text: {text}\nLabel:"
    label: str = " {label}"
    between: str = "\n\n"
    instruction: str = ""

    @field_validator("query", "label")
    @classmethod
    def _one_field(cls, value: str, info: object) -> str:
        name = getattr(info, "field_name", "query")
        wanted = "text" if name == "query" else "label"
        option = "--format" if name == "query" else "label format"
        try:
            fields = [field for _, field, _, _ in string.Formatter().parse(value) if field is not None]
        except ValueError:
            fields = []
        require(fields == [wanted], option, value, f"a text with {{{wanted}}} in it once, and no other braces")
        return value

    def prefix(self, demonstrations: tuple[tuple[str, ...], tuple[str, ...]]) -> str:
        """All that stands before the query: demonstrations are texts and their labels."""
        shown = [
            self.render_query(text) + self.label.format(label=kind) + self.between
            for text, kind in zip(*demonstrations, strict=True)
        ]
        return self._opening() + "".join(shown)

    def _opening(self) -> str:
        return self.instruction + self.between if self.instruction else ""

    def render_query(self, text: str) -> str:
        """The query as it stands behind the prefix."""
        return self.query.format(text=text.replace(CONTROL, "\N{REPLACEMENT CHARACTER}"))

    asked: ClassVar[Any] = renamed_property("asked", "render_query")

    def answers(self, classes: Sequence[str]) -> tuple[str, ...]:
        """The continuations whose likelihoods are compared."""
        return tuple(self.label.format(label=kind) for kind in classes)


class ChatFormat(PromptFormat):
    """Demonstrations as turns of a chat, by a model's own template (`iclscope.language_models.prompts.chat`).

    Control tokens of the template stand in it between two `CONTROL`. The instruction is all that stands before the
    first user's text; nothing is put behind it.
    """

    def _opening(self) -> str:
        return self.instruction


class PromptGroup(NamedTuple):
    """Prompts that begin with the same demonstrations.

    Attributes:
        prefix: the demonstrations.
        queries: what follows in each of the prompts.
    """

    prefix: str
    queries: tuple[str, ...]
