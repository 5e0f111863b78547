"""Which points of the space that a sweep varies are trained: all of a grid, random ones, or evenly spread ones."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from iclscope.core.errors import Verbatim, refused, require
from iclscope.core.random_streams import RandomStream
from iclscope.core.refusals import advice, inside, refusal
from iclscope.core.settings import Settings
from iclscope.sweeps.file.axes import Axis, Range

Point = dict[str, Any]
"""A value for each varied setting, by its dotted name."""

_BLOCK = 4096
"""Points that are drawn at a time."""

_MOST_AXES = 1000

_MOST_COUNTED = 1_000_000
"""Points among which those drawn twice are looked for; a sweep has no more."""


class Grid(Settings):
    """Every combination of the values."""

    model_config = ConfigDict(strict=True)

    kind: Literal["grid"] = Field("grid", description="which design this is")

    def check(self, axes: Sequence[Axis]) -> None:
        """Refuse a range without a count: it has no end of points.

        Raises:
            BadRequest: naming the setting.
        """
        for axis in axes:
            name = axis.settings[0]
            if axis.size is None:
                raise refused(name, Verbatim("none"), "a range with a count, {from, to, count}, in a grid")

    def count(self, axes: Sequence[Axis]) -> int:
        """How many points there are, without making any."""
        return math.prod(axis.size or 0 for axis in axes)

    def points(self, axes: Sequence[Axis]) -> Iterator[Point]:
        """The points, one at a time; the last axis changes fastest."""
        for indices in itertools.product(*(range(axis.size or 0) for axis in axes)):
            yield _joined(axis.at(index) for axis, index in zip(axes, indices, strict=True))


class _Sampled(Settings):
    """Points drawn from the space that the axes span; an axis of a list, or of a range with a count, has only these."""

    model_config = ConfigDict(strict=True)

    kind: str
    samples: int = Field(ge=1, description="how many points, at most as many as there are")
    seed: int = Field(0, ge=0, le=2**63 - 1, description="another seed draws other points")

    def check(self, axes: Sequence[Axis]) -> None:
        """Refuse to draw where nothing varies, or more points than there are; warn where some are drawn twice.

        Raises:
            BadRequest: if there is no axis, there are too many, or there are fewer points than samples.
        """
        require(
            0 < len(axes) <= _MOST_AXES, "number of axes", len(axes), f"1 to {_MOST_AXES:,}, where points are drawn"
        )
        there = number_of_points(axes)
        if there is None:
            return
        allowed = f"at most {there:,}, all the points there are; each is trained once, as design: grid does"
        require(self.samples <= there, "design.samples", self.samples, allowed)
        if self.samples > _MOST_COUNTED:
            return
        again = self.samples - len({tuple(map(repr, point.values())) for point in self.points(axes)})
        if again:
            warnings.warn(
                f"design: {again:,} of the {self.samples:,} {self.kind} points {'are' if again > 1 else 'is'} drawn a "
                f"second time; {self.samples - again:,} different ones are trained, each once",
                stacklevel=2,
            )

    def count(self, axes: Sequence[Axis]) -> int:  # noqa: ARG002 (the same whatever is varied)
        """How many points there are."""
        return self.samples

    def points(self, axes: Sequence[Axis]) -> Iterator[Point]:
        """The points, one at a time: a function of the seed and of the axes, the first of more being those of fewer."""
        for shares in self._shares(len(axes)):
            yield _joined(axis.drawn(float(share)) for axis, share in zip(axes, shares, strict=True))

    def _shares(self, dimensions: int) -> Iterator[np.ndarray[tuple[int], np.dtype[np.float64]]]:
        raise NotImplementedError


class RandomDesign(_Sampled):
    """Independent uniform points."""

    kind: Literal["random"] = Field("random", description="which design this is")

    def _shares(self, dimensions: int) -> Iterator[np.ndarray[tuple[int], np.dtype[np.float64]]]:
        stream = RandomStream.from_seeds([self.seed], "random design")
        for block, size in _blocks(self.samples):
            yield from stream.at(block).uniform(size, dimensions)[0].numpy()


class SobolDesign(_Sampled):
    """Points of Sobol's sequence, which fill the space more evenly than random ones, moved by a random shift.

    The shift (Cranley and Patterson 1976) is uniform and the same for all points, modulo 1 in each direction. It
    comes from our streams, so that the points do not depend on the version of SciPy.
    """

    kind: Literal["sobol"] = Field("sobol", description="which design this is")

    @model_validator(mode="after")
    def _check(self) -> SobolDesign:
        power = self.samples.bit_length() - 1
        allowed = f"a power of 2, as {2**power:,} or {2 ** (power + 1):,}: others leave the space unevenly filled"
        require(self.samples == 2**power, "samples", self.samples, allowed)
        return self

    def _shares(self, dimensions: int) -> Iterator[np.ndarray[tuple[int], np.dtype[np.float64]]]:
        from scipy.stats import qmc

        sequence = qmc.Sobol(dimensions, scramble=False)
        shift = RandomStream.from_seeds([self.seed], "sobol design").uniform(dimensions)[0].numpy()
        for _, size in _blocks(self.samples):
            yield from (sequence.random(size) + shift) % 1.0


def number_of_points(axes: Sequence[Axis]) -> int | None:
    """How many points there are to draw from, at most; None where a range without a count has no end of them."""
    sizes = [_number_of_values(axis) for axis in axes]
    return None if None in sizes else math.prod(size for size in sizes if size is not None)


def _number_of_values(axis: Axis) -> int | None:
    """How many values an axis can be drawn at; None if there is no end of them."""
    if axis.size is not None:
        return axis.size
    ranges = [values for values in axis.values_of.values() if isinstance(values, Range)]
    if not all(values.integer for values in ranges):
        return None
    # Each whole number that any of them passes is one value more of all.
    return 1 + sum(int(values.most) - int(values.least) for values in ranges)


Design = Grid | RandomDesign | SobolDesign
_DESIGNS: dict[str, type[Design]] = {"grid": Grid, "random": RandomDesign, "sobol": SobolDesign}


def design_from(given: Any) -> Design:
    """A design, from what a file says: "grid", or a mapping with kind, samples and seed.

    Raises:
        BadRequest: if there is no such design, or a setting of it is not allowed.
    """
    if isinstance(given, Design):
        return given
    settings = given if isinstance(given, Mapping) else {"kind": given}
    kind = settings.get("kind")
    allowed = "grid, or {kind: random, samples: …, seed: …}, or {kind: sobol, samples: …, seed: …}"
    if not isinstance(kind, str) or kind not in _DESIGNS:
        raise refusal("design", given, f"{allowed}{advice(kind, _DESIGNS)}")
    design = _DESIGNS[kind]
    if "samples" in design.model_fields and "samples" not in settings:
        raise refusal("design", given, f"{{kind: {kind}, samples: …}}")
    with inside("design"):
        return design(**settings)


def _joined(settings: Iterator[Point]) -> Point:
    """The settings of all axes, in their order."""
    return {name: value for part in settings for name, value in part.items()}


def _blocks(samples: int) -> Iterator[tuple[int, int]]:
    """Blocks of at most `_BLOCK` points: number and size."""
    for number, start in enumerate(range(0, samples, _BLOCK)):
        yield number, min(_BLOCK, samples - start)
