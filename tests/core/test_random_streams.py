"""Random streams: pure functions of (seed, purpose, step), and good numbers."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from iclscope.core.random_streams import RandomStream

COUNT = 20_000


def uniform(seed: int, purpose: str = "test", step: int = 0, count: int = COUNT) -> torch.Tensor:
    return RandomStream.from_seeds([seed], purpose).at(step).uniform(count)[0]


def splitmix64(key: int, count: int) -> list[int]:
    """The generator as published (Steele, Lea and Flood 2014), in Python's own integers."""
    numbers, mask = [], (1 << 64) - 1
    for i in range(1, count + 1):
        z = (key + i * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        numbers.append(z ^ (z >> 31))
    return numbers


@pytest.mark.parametrize("key", [0, 1, -1, 1234567, -(2**63), 2**63 - 1])
def test_the_generator_is_splitmix64(key: int) -> None:
    numbers = RandomStream(torch.tensor([key])).uniform(50)[0].tolist()
    assert numbers == [(z >> 11) * 2.0**-53 for z in splitmix64(key % 2**64, 50)]


def test_published_output_of_splitmix64() -> None:
    """Seed 1234567 gives 6457827717110365317 first (the generator's widely used test vector)."""
    assert splitmix64(1234567, 2) == [6457827717110365317, 3203168211198807973]


@given(
    seeds=st.lists(st.integers(-(2**70), 2**70), min_size=1, max_size=5),
    step=st.integers(0, 2**40),
    count=st.integers(1, 20),
)
def test_numbers_do_not_depend_on_the_other_runs(seeds: list[int], step: int, count: int) -> None:
    together = RandomStream.from_seeds(seeds, "test").at(step)
    for run, seed in enumerate(seeds):
        alone = RandomStream.from_seeds([seed], "test").at(step)
        assert torch.equal(together.uniform(count)[run], alone.uniform(count)[0])
        assert torch.equal(together.normal(count)[run], alone.normal(count)[0])


def test_drawing_changes_nothing() -> None:
    stream = RandomStream.from_seeds([1, 2], "test")
    first = stream.uniform(5)
    stream.normal(100)
    stream.at(3).uniform(7)
    assert torch.equal(stream.uniform(5), first)


def test_more_numbers_begin_with_the_same_ones() -> None:
    stream = RandomStream.from_seeds([1, 2], "test")
    assert torch.equal(stream.uniform(12)[:, :5], stream.uniform(5))
    assert torch.equal(stream.uniform(3, 4).reshape(2, 12), stream.uniform(12))


def test_numbers_are_uniform() -> None:
    for seed in range(3):
        numbers = uniform(seed).numpy()
        assert 0 <= numbers.min() < numbers.max() < 1
        assert stats.kstest(numbers, "uniform").pvalue > 1e-3
        # The low bits too: draws are split into an index and a number in what is left of it.
        assert stats.kstest((numbers * 2**20) % 1, "uniform").pvalue > 1e-3


def test_numbers_are_normal() -> None:
    for seed in range(3):
        numbers = RandomStream.from_seeds([seed], "test").normal(COUNT)[0].numpy()
        assert stats.kstest(numbers, "norm").pvalue > 1e-3
        assert math.isfinite(float(abs(numbers).max()))


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


def test_seeds_purposes_and_steps_are_unrelated() -> None:
    streams = [
        uniform(0),
        uniform(1),
        uniform(0, "other test"),
        uniform(0, step=1),
        uniform(0, step=2),
        uniform(1, step=1),
        RandomStream.from_seeds([0], "test").uniform(COUNT)[0],
        RandomStream.from_seeds([0], "test").at(0).at(0).uniform(COUNT)[0],
        RandomStream.from_seeds([0], "test").at(0).at(1).uniform(COUNT)[0],
    ]
    for a, b in itertools.combinations(streams, 2):
        for lag in (0, 1, 2):
            assert abs(correlation(a[lag:], b[: COUNT - lag])) < 5 / math.sqrt(COUNT)
    for a in streams:
        for lag in (1, 2, 7):
            assert abs(correlation(a[lag:], a[:-lag])) < 5 / math.sqrt(COUNT)


def test_no_number_comes_again_in_another_step() -> None:
    stream = RandomStream.from_seeds([0, 1, 2], "test")
    numbers = torch.cat([stream.at(step).uniform(100).flatten() for step in range(300)])
    # 90000 numbers of 53 bits repeat by chance with probability 5e-7.
    assert len(torch.unique(numbers)) == len(numbers) == 90_000


def test_the_first_number_of_every_step_is_uniform() -> None:
    """Steps are as random across as along: no counter shows through."""
    stream = RandomStream.from_seeds([0], "test")
    first = torch.cat([stream.at(step).uniform(1)[0] for step in range(2000)])
    assert stats.kstest(first.numpy(), "uniform").pvalue > 1e-3
    assert abs(correlation(first[1:], first[:-1])) < 5 / math.sqrt(2000)
