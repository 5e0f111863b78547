"""A sweep that is killed, interrupted or shared by two processes: nothing finished is lost, or done twice."""

from __future__ import annotations

import random
import re
import signal
import time
from pathlib import Path

import pytest
from sweeps.sweep_processes import SweepProcess, finished_in, table_in, yaml_of
from sweeps.sweep_runs import assert_same_rows

KILLS = 20


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    """`kill -9` at random moments of a 500-trial sweep: the table, bit for bit, of an undisturbed run."""
    file, out, ledger = tmp_path / "many.yaml", tmp_path / "killed", tmp_path / "ledger"
    file.write_text(yaml_of(lengths=25, shares=5, seeds=4, steps=700), encoding="utf-8")
    with SweepProcess(tmp_path / "whole-ledger", [str(file), "--out", str(tmp_path / "whole")]) as whole:
        assert whole.ended().status == 0
        undisturbed = table_in(tmp_path / "whole")
        assert undisturbed["trial"].n_unique() == len(whole.begun) == 500
    moments, progress = random.Random(6), []
    for number in range(KILLS):
        before = finished_in(out / "store")
        with SweepProcess(ledger, [str(file), "--out", str(out)]) as process:
            if number % 5 != 4:  # every fifth is killed while it starts
                process.wait_until_training(groups=moments.randint(1, 5))
            time.sleep(moments.uniform(0, 0.2))
            assert process.running, "the sweep has ended before it was killed often enough"
            process.send(signal.SIGKILL)
            assert process.ended().status == -signal.SIGKILL
            assert not before & set(process.begun), "a finished trial was trained again"
        assert before <= finished_in(out / "store"), "a finished trial was lost"
        progress.append(len(before))
    assert len(set(progress)) > 5, "the sweep goes on from kill to kill"
    before = finished_in(out / "store")
    assert 0 < len(before) < 500
    with SweepProcess(ledger, [str(file), "--out", str(out)]) as last:
        assert last.ended().status == 0
        assert not before & set(last.begun)
    assert_same_rows(table_in(out), undisturbed)
    with SweepProcess(ledger, [str(file), "--out", str(out)]) as again:
        assert again.ended().status == 0
        assert again.begun == []


def sharing(folder: Path, name: str, text: str) -> SweepProcess:
    """A process with results of its own, and a store and a ledger that it shares with others."""
    file = folder / f"{name}.yaml"
    file.write_text(f"name: shared\n{text}", encoding="utf-8")
    return SweepProcess(folder / "ledger", [str(file), "--out", str(folder / name), "--store", str(folder / "store")])


@pytest.mark.slow
def test_two_processes_share_the_work(tmp_path: Path) -> None:
    """No trial is trained by both, and both end with the whole table."""
    text = yaml_of(lengths=12, steps=1000)
    with sharing(tmp_path, "a", text) as one, sharing(tmp_path, "b", text) as two:
        assert one.ended().status == 0
        assert two.ended().status == 0
        assert one.begun
        assert two.begun
        assert len({*one.begun, *two.begun}) == len(one.begun) + len(two.begun) == 12 * 5 * 5
    assert_same_rows(table_in(tmp_path / "a"), table_in(tmp_path / "b"))
    assert table_in(tmp_path / "a")["trial"].n_unique() == 12 * 5 * 5


def test_what_a_killed_process_had_reserved_is_taken_over(tmp_path: Path) -> None:
    text = yaml_of(lengths=6, steps=1500)
    with sharing(tmp_path, "a", text) as one, sharing(tmp_path, "b", text) as two:
        one.wait_until_training()
        two.wait_until_training()
        one.send(signal.SIGKILL)
        assert one.ended().status == -signal.SIGKILL
        assert two.ended().status == 0
        taken_over = set(one.begun) & set(two.begun)
    assert taken_over, "what the killed process was at work on"
    assert table_in(tmp_path / "b")["trial"].n_unique() == 6 * 5 * 5


TRAINING, TESTING = yaml_of(shares=2, steps=2_000_000), yaml_of(steps=1, length=400, prompts=1_000_000)


@pytest.mark.parametrize(
    ("text", "is_saved", "by", "status"),
    [
        (TRAINING, True, signal.SIGINT, 130),
        (TRAINING, True, signal.SIGTERM, 143),
        pytest.param(TESTING, False, signal.SIGINT, 130, marks=pytest.mark.slow),
    ],
    ids=["training", "training, terminated", "testing"],
)
def test_ctrl_c_ends_within_five_seconds(
    tmp_path: Path, text: str, is_saved: bool, by: signal.Signals, status: int
) -> None:
    """In the middle of a training, which is saved; and of tests that take long, where the group is dropped."""
    file, out = tmp_path / "long.yaml", tmp_path / "out"
    file.write_text(text, encoding="utf-8")
    with SweepProcess(tmp_path / "ledger", [str(file), "--out", str(out)]) as process:
        process.wait_until_training(groups=2)
        time.sleep(2)
        began = time.monotonic()
        process.send(by)
        ended = process.ended()
        assert time.monotonic() - began < 5
    assert ended.status == status
    assert ended.err == ""
    told = r"Interrupted\. 0 of \d+ trials are finished; the same command goes on from there\.\n"
    assert re.fullmatch(told, ended.out)
    assert bool(list((out / "training").glob("unfinished-*"))) == is_saved
