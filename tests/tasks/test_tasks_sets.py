"""Sets of training tasks and Condition 3.2."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iclscope.core.errors import BadRequest
from iclscope.tasks import PatternClassification
from iclscope.tasks.patterns import all_tasks, check_condition_3_2, cycle_tasks, tasks_of_share, unseen_tasks

sizes = st.integers(3, 12)


def meets_condition_3_2(tasks: set[tuple[int, int]], M1: int) -> bool:
    """Every relevant pattern occurs, with both labels equally often, all patterns alike: counted one by one."""
    positive = [sum(a == j for a, _ in tasks) for j in range(M1)]
    negative = [sum(b == j for _, b in tasks) for j in range(M1)]
    return positive[0] > 0 and len({*positive, *negative}) == 1


@given(M1=sizes)
def test_the_cycle(M1: int) -> None:
    assert cycle_tasks(M1) == (*((j, j + 1) for j in range(M1 - 1)), (M1 - 1, 0))
    check_condition_3_2(cycle_tasks(M1), M1)
    assert len(cycle_tasks(M1)) * (M1 - 1) == len(all_tasks(M1))


@given(M1=sizes)
def test_all_tasks_are_the_ordered_pairs(M1: int) -> None:
    assert sorted(all_tasks(M1)) == sorted(permutations(range(M1), 2))


@given(M1=sizes, data=st.data())
def test_shares_that_exist(M1: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, M1 - 1))
    tasks = tasks_of_share(M1, k / (M1 - 1))
    assert len(tasks) == len(set(tasks)) == k * M1
    assert set(tasks) <= set(all_tasks(M1))
    assert meets_condition_3_2(set(tasks), M1)
    check_condition_3_2(tasks, M1)


@given(M1=sizes, share=st.floats(1e-3, 1, exclude_max=True))
def test_shares_that_do_not_exist_are_refused_with_the_nearest_that_does(M1: int, share: float) -> None:
    k = min(range(1, M1), key=lambda k: abs(k / (M1 - 1) - share))
    if abs(k / (M1 - 1) - share) < 1e-6:
        return
    with pytest.raises(BadRequest) as refusal:
        tasks_of_share(M1, share)
    gap = abs(k / (M1 - 1) - share)
    named = [j for j in range(1, M1) if f"the nearest is {j}/{M1 - 1} " in str(refusal.value)]
    assert len(named) == 1
    assert abs(named[0] / (M1 - 1) - share) == pytest.approx(gap)


@pytest.mark.parametrize("share", [0.0, -0.2, 1.2, float("nan"), float("inf")])
def test_shares_that_are_none_are_refused(share: float) -> None:
    with pytest.raises(BadRequest, match="training_tasks"):
        tasks_of_share(6, share)


@given(M1=sizes, data=st.data())
def test_unseen_tasks_are_the_rest(M1: int, data: st.DataObject) -> None:
    tasks = data.draw(st.lists(st.sampled_from(list(permutations(range(M1), 2))), unique=True))
    unseen = unseen_tasks(tasks, M1)
    assert len(unseen) == len(set(unseen))
    assert set(unseen) | set(tasks) == set(permutations(range(M1), 2))
    assert not set(unseen) & set(tasks)


@given(M1=st.integers(3, 4), data=st.data())
def test_condition_3_2_is_refused_exactly_when_it_is_broken(M1: int, data: st.DataObject) -> None:
    tasks = data.draw(st.lists(st.sampled_from(list(permutations(range(M1), 2))), unique=True, min_size=1))
    if meets_condition_3_2(set(tasks), M1):
        check_condition_3_2(tasks, M1)
    else:
        with pytest.raises(BadRequest, match=r"Condition 3\.2"):
            check_condition_3_2(tasks, M1)


@given(M1=sizes, order=st.randoms(use_true_random=False))
def test_every_cycle_through_all_patterns_meets_the_condition(M1: int, order: object) -> None:
    patterns = list(range(M1))
    order.shuffle(patterns)  # type: ignore[attr-defined]
    check_condition_3_2([(patterns[i], patterns[(i + 1) % M1]) for i in range(M1)], M1)


@pytest.mark.parametrize(
    ("tasks", "named"),
    [
        ((), "training_tasks"),
        (((0, 0),), r"\(0, 0\)"),
        (((0, 6),), r"\(0, 6\)"),
        (((-1, 0),), r"\(-1, 0\)"),
        (((0, 1), (1, 0), (0, 1)), r"at most once.*\(0, 1\)"),
        (((0, 1), (1, 0)), "Condition 3.2"),
        ((*cycle_tasks(6), (0, 2)), "Condition 3.2"),
        (((0, 1), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)), "pattern 0 has label .1 in 1 and .1 in 5"),
        (((1, 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, 5)), "pattern 0 has label .1 in 5 and .1 in 1"),
    ],
)
def test_what_is_no_set_of_training_tasks_is_refused(tasks: tuple[tuple[int, int], ...], named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        check_condition_3_2(tasks, 6)
    with pytest.raises(ValueError, match=named):
        PatternClassification(training_tasks=tasks)


def test_breaking_the_condition_can_be_asked_for() -> None:
    task = PatternClassification(training_tasks=((0, 1), (1, 0)), check_condition=False)
    assert task.training_task_set() == task.task_set() == ((0, 1), (1, 0))
    assert len(task.replace(tasks="unseen").task_set()) == 28
    with pytest.raises(ValueError, match=r"\(0, 0\)"):
        PatternClassification(training_tasks=((0, 0),), check_condition=False)


def test_settings_say_which_tasks() -> None:
    assert PatternClassification().training_task_set() == cycle_tasks(6)
    assert PatternClassification(training_tasks="all").training_task_set() == all_tasks(6)
    assert PatternClassification(training_tasks=1).training_task_set() == tasks_of_share(6, 1.0)
    assert PatternClassification(training_tasks=0.6).training_task_set() == tasks_of_share(6, 0.6)
    assert PatternClassification(tasks="unseen").task_set() == unseen_tasks(cycle_tasks(6), 6)
    assert PatternClassification(tasks="all").task_set() == all_tasks(6)
