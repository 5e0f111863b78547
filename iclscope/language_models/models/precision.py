"""In which type of numbers a model is computed where nobody says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

NATIVE = ("amx_bf16", "avx512_bf16", "avx10_2", "bf16", "sve_bf16", "arm_bf16")
"""What PyTorch calls the products of bfloat16 that processors have."""


def has_native_bfloat16(device: str) -> bool:
    """Whether a device multiplies numbers in bfloat16 itself; where it does not, that is slower than float32.

    Args:
        device: ``cpu`` or ``cuda``.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    told: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(told.get(name)) for name in NATIVE)


def usual_dtype(device: str) -> str:
    """``bfloat16`` where the device has it natively, else ``float32``."""
    return "bfloat16" if has_native_bfloat16(device) else "float32"
