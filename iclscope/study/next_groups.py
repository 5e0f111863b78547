"""What trains next: what a figure lacks, and groups of later figures for cores that would be idle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from iclscope.training.trial import Trial


def next_groups(
    groups: Mapping[frozenset[str], list[Trial]], wanted: Sequence[Sequence[Trial]], lacking: Set[str], at_a_time: int
) -> list[list[Trial]]:
    """What the first of some figures lacks, and groups of later ones for cores that would be idle.

    On two cores three groups want a fourth. Groups are whole, so who fills a core has the company it would have had.

    Args:
        groups: all there are, by the hashes of their trials.
        wanted: the trials of each figure that is still to be made.
        lacking: the hashes of trials that are not stored.
        at_a_time: how many groups train at a time.
    """
    chosen: list[list[Trial]] = []
    left = set(lacking)
    for number, trials in enumerate(wanted):
        if number and not len(chosen) % at_a_time:
            break
        own = {trial.hash for trial in trials} & left
        for hashes, group in groups.items():
            if number and not len(chosen) % at_a_time:
                break
            if own & left & hashes:
                chosen.append(group)
                left -= hashes
    return chosen
