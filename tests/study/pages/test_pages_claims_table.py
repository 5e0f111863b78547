"""The terminal's table keeps its shape at every width."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from iclscope.claims.claim import JudgedClaim
from iclscope.study.pages.claims_table import print_claims


def printed(claims: list[JudgedClaim], width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_claims(claims, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_one_line_per_claim_at_every_width(claims: list[JudgedClaim], width: int) -> None:
    lines = printed(claims, width)
    assert len(lines) == 1 + len(claims) + 1
    assert all(len(line) <= width for line in lines)
    for line, claim in zip(lines[1:], claims, strict=False):
        assert claim.verdict in line
        assert claim.claim.id in line
    assert lines[-1] == "4 claims: 1 holds, 1 fails, 2 inconclusive. All controls fail, as they must."


def test_columns_come_with_the_width(claims: list[JudgedClaim]) -> None:
    assert printed(claims, 60)[0].split() == ["verdict", "claim", "estimate"]
    assert "[0.95, 0.99]" not in printed(claims, 60)[1]
    assert "[0.95, 0.99]" in printed(claims, 72)[1]
    assert printed(claims, 80)[0].split() == ["verdict", "claim", "estimate", "expected"]
    assert printed(claims, 140)[0].split() == ["verdict", "claim", "estimate", "expected", "control", "statement"]
    assert "0.9 … 1" in printed(claims, 140)[1]


@pytest.mark.parametrize("width", [60, 140])
def test_a_control_that_does_not_fail_is_named_at_every_width(unproven: JudgedClaim, width: int) -> None:
    text = " ".join(printed([unproven], width))
    assert "Warning: the control of loose was judged holds, not fails;" in text


def test_questions_of_ours_stand_behind_and_are_counted_apart(
    claims: list[JudgedClaim], questions: list[JudgedClaim]
) -> None:
    lines = printed([questions[0], *claims, questions[1]], 180)
    of_paper, of_ours = lines[1:5], lines[6:8]
    assert [line.split()[2] for line in of_paper] == [one.claim.id for one in claims]
    assert [line.split()[:2] for line in of_ours] == [
        [word, one.claim.id] for word, one in zip(("yes", "no"), questions, strict=True)
    ]
    assert lines[5].split()[:4] == ["answer", "question", "of", "ours"]
    assert lines[-1] == (
        "4 claims: 1 holds, 1 fails, 2 inconclusive. 2 questions of ours: 1 yes, 1 no. All controls fail, as they must."
    )  # fmt: skip
    assert "Is it tight? Tight." in lines[-3]
    assert "Is it loose? Not tight." in lines[-2]
    assert printed(questions, 100)[-1] == "2 questions of ours: 1 yes, 1 no. All controls fail, as they must."
    assert printed(questions[:1], 100)[-1] == "1 question of ours: 1 yes. The control fails, as it must."


def test_a_long_name_goes_on_in_the_next_line(claims: list[JudgedClaim]) -> None:
    name = "thm3.3-a-name-that-is-longer-than-its-column"
    long = replace(claims[0], claim=replace(claims[0].claim, id=name))
    lines = printed([long], 72)
    assert all(len(line) <= 72 for line in lines)
    assert "".join(line[9:].split("  ")[0] for line in lines[1:-1]) == name
    assert name in printed([long], 120)[1]


def test_no_claims(claims: list[JudgedClaim]) -> None:
    assert printed([], 60) == ["No claim has been judged."]
