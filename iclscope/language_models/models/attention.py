"""Which of transformers' ways a model computes attention in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from transformers import PreTrainedModel

from iclscope.language_models.models.loading import quiet_transformers


@contextlib.contextmanager
def attention_by(model: PreTrainedModel, name: str) -> Iterator[None]:
    """The attention that transformers knows by a name, in the block; what was set before is set again."""
    config = model.config
    before = {"": config._attn_implementation}
    for part in config.sub_configs:
        if (inner := getattr(config, part, None)) is not None:
            before[part] = inner._attn_implementation
    try:
        with quiet_transformers():
            model.set_attn_implementation(name)
        yield
    finally:
        with quiet_transformers():
            model.set_attn_implementation(before)
