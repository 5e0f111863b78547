"""Gradients wherever they are needed, whatever the caller has switched off around the call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def gradients_enabled() -> Iterator[None]:
    """Record gradients within the block, also inside ``torch.no_grad()`` and ``torch.inference_mode()``.

    What is called is asked for gradients by its very name: training, or the sensitivity of an answer. Acts on this
    thread alone, and restores what was before.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield
