"""Random numbers that are a pure function of (seed, purpose, step), for many runs at once.

Every run has a stream of its own, and a stream's numbers do not depend on which other runs are drawn beside it,
on the device, or on what was drawn before. That is what makes a batch reproducible alone, batched and after a
resume, without saving any generator state.

The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA
2014) used as a counter-based one: number ``i`` of a stream is the output function applied to ``key + (i+1)·γ``.
It is written with tensor operations because PyTorch's own generators hold one state for all runs.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor


def _as_signed(value: int) -> int:
    """Write an unsigned 64-bit constant as the signed one with the same bits (PyTorch has no uint64 products)."""
    return value - (1 << 64) if value >= (1 << 63) else value


_GAMMA = _as_signed(0x9E3779B97F4A7C15)
_MULTIPLIER_1 = _as_signed(0xBF58476D1CE4E5B9)
_MULTIPLIER_2 = _as_signed(0x94D049BB133111EB)
_UNIT_53 = 2.0**-53


def _shift_right(bits: Tensor, count: int) -> Tensor:
    """Logical right shift of int64 (PyTorch's own repeats the sign bit)."""
    return (bits >> count).bitwise_and_((1 << (64 - count)) - 1)


def _mix(bits: Tensor) -> Tensor:
    """SplitMix64's output function; int64 products wrap modulo 2⁶⁴."""
    bits = _shift_right(bits, 30).bitwise_xor_(bits).mul_(_MULTIPLIER_1)
    bits = _shift_right(bits, 27).bitwise_xor_(bits).mul_(_MULTIPLIER_2)
    return _shift_right(bits, 31).bitwise_xor_(bits)


@dataclass(frozen=True)
class RandomStream:
    """One independent stream of random numbers per run.

    Attributes:
        keys: where each run's stream starts.
    """

    keys: Int64[Tensor, " run"]

    @classmethod
    def from_seeds(cls, seeds: Sequence[int], purpose: str, device: torch.device | str = "cpu") -> RandomStream:
        """Open one stream per seed.

        Args:
            seeds: one integer per run.
            purpose: what the numbers are for ("training prompts", "initial weights", …). Streams of equal seed
                and different purpose are unrelated, so evaluation never sees a training prompt.
            device: where the numbers are made.
        """
        digests = (hashlib.blake2b(f"{purpose}\0{seed}".encode(), digest_size=8).digest() for seed in seeds)
        keys = [int.from_bytes(digest, "little", signed=True) for digest in digests]
        return cls(torch.tensor(keys, dtype=torch.int64, device=device))

    def at(self, step: int) -> RandomStream:
        """The stream of one step; streams of different steps are unrelated."""
        # A multiplier other than γ, so that step t's number i is not step t+1's number i-1 before mixing.
        return RandomStream(_mix(self.keys + _as_signed((2 * step + 1) * 0xD1342543DE82EF95 % (1 << 64))))

    def uniform(self, *shape: int) -> Float64[Tensor, "run *shape"]:  # noqa: F821 (a shape)
        """Numbers uniform on [0, 1) with 53 random bits, the same on every device.

        Args:
            shape: the shape behind the run axis.
        """
        counter = torch.arange(1, math.prod(shape) + 1, dtype=torch.int64, device=self.keys.device)
        bits = _mix(self.keys[:, None] + counter * _GAMMA)
        return _shift_right(bits, 11).to(torch.float64).mul_(_UNIT_53).reshape(len(self.keys), *shape)

    def normal(self, *shape: int) -> Float64[Tensor, "run *shape"]:  # noqa: F821 (a shape)
        """Standard normal numbers, by the inverse distribution function.

        Args:
            shape: the shape behind the run axis.
        """
        # Half a unit in from both ends, where the inverse is infinite.
        inside = self.uniform(*shape).clamp(0.5 * _UNIT_53, 1 - _UNIT_53)
        numbers: Tensor = torch.special.ndtri(inside)
        return numbers
