"""Which tasks are trained on, and Condition 3.2 of Li 2024 that such a set must meet.

A task is an ordered pair (a, b), a ≠ b, of relevant patterns: inputs that contain μ_a are labelled +1, those that
contain μ_b −1. Patterns are counted from 0 here, from 1 in the paper. There are M1(M1−1) tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from iclscope.core.errors import Verbatim, refused, require, unusable

Task = tuple[int, int]


def all_tasks(M1: int) -> tuple[Task, ...]:
    """Every ordered pair of different relevant patterns, M1(M1−1) of them."""
    return tuple((a, b) for a in range(M1) for b in range(M1) if a != b)


def cycle_tasks(M1: int) -> tuple[Task, ...]:
    """The smallest set that meets Condition 3.2: (1,2), (2,3), …, (M1,1), a share 1/(M1−1) of all tasks."""
    return offset_tasks(M1, 1)


def offset_tasks(M1: int, offsets: int) -> tuple[Task, ...]:
    """The tasks (a, a+1), …, (a, a+offsets) modulo M1: every pattern meets every label ``offsets`` times.

    Args:
        M1: number of relevant patterns.
        offsets: 1 (the cycle) to M1−1 (all tasks).
    """
    return tuple((a, (a + offset) % M1) for offset in range(1, offsets + 1) for a in range(M1))


def tasks_of_share(M1: int, share: float) -> tuple[Task, ...]:
    """A set of ``share`` of all tasks that meets Condition 3.2.

    Each pattern must meet each label equally often, k times say, so a set has k·M1 tasks: only the shares
    k/(M1−1), k = 1 … M1−1, exist.

    Raises:
        BadRequest: if no set of this share meets the condition, naming the nearest that does.
    """
    require(0 < share <= 1, "training_tasks", share, "a share in (0, 1]")
    offsets = round(share * (M1 - 1))
    if offsets < 1 or abs(offsets / (M1 - 1) - share) > 1e-6:
        nearest = max(offsets, 1)
        raise unusable(
            "training_tasks",
            Verbatim(f"{share:g}"),
            (
                f"Condition 3.2 gives every pattern every label equally often, so with M1 = {M1} the "
                f"share is k/{M1 - 1} for a whole k from 1 to {M1 - 1}; the nearest is {nearest}/{M1 - 1} "
                f"= {nearest / (M1 - 1):.4f}"
            ),
        )
    return offset_tasks(M1, offsets)


def check_tasks(tasks: Sequence[Task], M1: int) -> None:
    """Refuse anything that is not a set of ordered pairs of different patterns.

    Raises:
        BadRequest: naming the first pair at fault.
    """
    require(len(tasks) > 0, "training_tasks", tasks, "at least one pair (a, b)")
    for a, b in tasks:
        require(
            a != b and min(a, b) >= 0 and max(a, b) < M1,
            "training task",
            (a, b),
            f"a ≠ b, both in 0…{M1 - 1}",
        )
    repeated = [task for task, count in Counter(tasks).items() if count > 1]
    require(not repeated, "training_tasks", repeated[:1], "each task at most once")


def check_condition_3_2(tasks: Sequence[Task], M1: int) -> None:
    """Refuse a set of training tasks that breaks Condition 3.2 of Li 2024.

    The condition: every relevant pattern occurs, and with both labels equally often, and all patterns alike.

    Raises:
        BadRequest: naming a pattern and how often it has each label.
    """
    check_tasks(tasks, M1)
    positive = Counter(a for a, _ in tasks)
    negative = Counter(b for _, b in tasks)
    share = len(tasks) / M1
    for pattern in range(M1):
        if positive[pattern] != share or negative[pattern] != share:
            raise refused(
                "training_tasks",
                Verbatim(f"{list(tasks)[:4]}{'…' if len(tasks) > 4 else ''}"),
                f"every pattern to have each label equally often (Condition 3.2, e.g. 'cycle'); pattern "
                f"{pattern} has label +1 in {positive[pattern]} and −1 in {negative[pattern]} of {len(tasks)} tasks",
            )


def unseen_tasks(tasks: Sequence[Task], M1: int) -> tuple[Task, ...]:
    """All tasks that are not in ``tasks``; empty if ``tasks`` holds all of them."""
    seen = set(tasks)
    return tuple(task for task in all_tasks(M1) if task not in seen)


def chosen_tasks(chosen: object, M1: int) -> tuple[Task, ...]:
    """The training tasks that a setting names: "cycle", "all", a share of all, or pairs (a, b).

    Raises:
        BadRequest: if the share has no set that meets Condition 3.2, or a pair is not one.
    """
    if chosen == "cycle":
        return cycle_tasks(M1)
    if chosen == "all":
        return all_tasks(M1)
    if isinstance(chosen, tuple):
        check_tasks(chosen, M1)
        return chosen
    if isinstance(chosen, float):
        return tasks_of_share(M1, chosen)
    raise refused("training_tasks", chosen, "'cycle', 'all', a share or pairs")


def training_tasks_text(chosen: object, M1: int) -> str:
    """Training tasks in words, from the setting that names them."""
    if isinstance(chosen, tuple):
        return f"{len(chosen)} chosen"
    if chosen_tasks(chosen, M1) == cycle_tasks(M1):
        return "cycle"
    return chosen if isinstance(chosen, str) else f"share {chosen:.2f}"
