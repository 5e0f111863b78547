"""Where a query looks among the demonstrations before it, per layer and head."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from transformers import PreTrainedModel

from iclscope.core.errors import refused
from iclscope.language_models.models.attention import attention_by
from iclscope.language_models.models.cached import LastAttention, PrefixCache
from iclscope.language_models.models.finite import not_numbers
from iclscope.language_models.models.halving import in_halves, split_in_two
from iclscope.language_models.models.kept_state import check_attention_only
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.demonstration_tokens import Owners, token_owners
from iclscope.language_models.prompts.format import PromptFormat, PromptGroup
from iclscope.language_models.prompts.scoring import OnProgress, Row, batch_limits, row_batches
from iclscope.language_models.prompts.tokens import encode_group
from iclscope.language_models.texts.labelled_text import LabelledTexts

# Bytes that the attention of one batch may take: of one token per row, all layers and heads.
_ATTENTION_BYTES = 1 << 28


def demonstration_attention(
    language_model: LanguageModel,
    form: PromptFormat,
    shown: LabelledTexts,
    queries: Sequence[str],
    classes: Sequence[str],
    *,
    on_progress: OnProgress | None = None,
) -> Float32[np.ndarray, "part query layer head demonstration"]:
    """Attention of each query to each demonstration, summed over the demonstration's tokens.

    A query attends from the last token of its prompt, behind which the model predicts the label; there Li et al. 2024
    measure too, whose query is one token. All before that token is read with the model's own kind of attention, behind
    a cache that the queries share; only the last is read with transformers' eager one, which shows its weights. So no
    square of attention is ever held. The model's setting is put back.

    Args:
        language_model: whose heads.
        form: how an example is written.
        shown: the demonstrations of all queries, in the order of the prompt.
        queries: the texts that are asked.
        classes: the labels, checked as for scoring.
        on_progress: called after each batch with its number of prompts.

    Returns:
        Part 0: all tokens of a demonstration; part 1: those that write its label. What is left of 1 goes to the query
        itself, the instruction, and the first token of the prompt.

    Raises:
        BadRequest: if a prompt is too long, the model has recurrent layers or does not show its attention, or what it
            gives are no numbers.
    """
    check_attention_only(language_model)
    group = PromptGroup(form.prefix(shown), tuple(form.render_query(query) for query in queries))
    encoded = encode_group(language_model, group, form.answers(classes))
    # Where a token of the prompt is joined with an answer, less of the prompt is read.
    owners = [
        Owners(*(part[: len(prompt)] for part in each))
        for each, prompt in zip(token_owners(language_model, form, shown, queries), encoded.prompts, strict=True)
    ]
    read = PrefixCache(language_model.model, 1)
    if encoded.shared:
        read.read([encoded.prompts[0][: encoded.shared]])
    found: list[Float[Tensor, "part layer head demonstration"] | None] = [None] * len(queries)

    def masses_of(rows: Sequence[Row]) -> Float[Tensor, "part layer row head demonstration"]:
        last = _last_attention(language_model, read, rows)
        return torch.stack(
            [_masses(last, [owners[row.place][part] for row in rows], len(shown.texts)) for part in range(2)]
        )

    for batch in row_batches([encoded], [0], batch_limits(language_model, [encoded])):
        small = _small(language_model, batch, encoded.longest)
        for rows, masses in (one for part in small for one in in_halves(language_model, part, masses_of, split_in_two)):
            lost = [row for number, row in enumerate(rows) if not masses[:, :, number].isfinite().all()]
            if lost:
                with eager_attention(language_model.model):
                    prompts = [encoded.prompts[row.place] for row in lost]
                    raise not_numbers(language_model, prompts, what="shares of attention")
            for number, row in enumerate(rows):
                found[row.place] = masses[:, :, number].cpu()
            if on_progress is not None:
                on_progress(len(rows))
    return torch.stack([one for one in found if one is not None], dim=1).numpy()


def _small(language_model: LanguageModel, batch: Sequence[Row], longest: int) -> Iterator[Sequence[Row]]:
    """Parts of a batch whose attention fits."""
    config: Any = language_model.model.config.get_text_config()
    per_row = 4 * config.num_hidden_layers * config.num_attention_heads * longest
    count = max(1, _ATTENTION_BYTES // per_row)
    for start in range(0, len(batch), count):
        yield batch[start : start + count]


def _last_attention(language_model: LanguageModel, read: PrefixCache, rows: Sequence[Row]) -> LastAttention:
    part = read.copied([0] * len(rows))
    if any(len(row.tokens) > 1 for row in rows):
        part.read([row.tokens[:-1] for row in rows])
    with eager_attention(language_model.model):
        last = part.attend([row.tokens[-1] for row in rows])
    shows = last.layers is not None and all(layer.shape[2] == last.mask.shape[1] for layer in last.layers)
    if not shows:
        raise refused(
            "MODEL",
            language_model.name,
            (
                "a model whose attention transformers shows; it shows none, or one of another shape, for "
                f"{language_model.kind}"
            ),
        )
    return last


def _masses(
    last: LastAttention, owners: Sequence[np.ndarray], demonstrations: int
) -> Float[Tensor, "layer row head demonstration"]:
    """Attention summed over the places of each demonstration, in float32."""
    assert last.layers is not None
    # One owner more: nobody's places and padding, which is dropped.
    at = torch.full(last.mask.shape, demonstrations, dtype=torch.int64)
    mask = last.mask.cpu()
    for number, row in enumerate(owners):
        at[number, mask[number]] = torch.from_numpy(np.where(row < 0, demonstrations, row))
    owned = torch.nn.functional.one_hot(at, demonstrations + 1)[:, :, :demonstrations].to(last.mask.device)
    return torch.stack([layer.float() @ owned.float() for layer in last.layers])


def eager_attention(model: PreTrainedModel) -> contextlib.AbstractContextManager[None]:
    """The attention that shows its weights, in the block; what was set before is set again."""
    return attention_by(model, "eager")
