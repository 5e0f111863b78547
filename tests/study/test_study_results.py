"""What a reproduction leaves in its folder, and what a second one makes again."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest
from refusals import says
from study.tiny import put_in_place, tiny_experiment

import iclscope
from iclscope.claims.paper import requested_papers
from iclscope.core.errors import BadRequest
from iclscope.study.experiment import PAPERS, Experiment
from iclscope.study.reproduce import IncompleteReproduction, InterruptedReproduction, reproduce


def unchanged(experiment: Experiment, **functions: Any) -> Experiment:
    """A figure with other functions that passes for the one whose code has not changed."""
    made = replace(experiment, **functions)
    made.__dict__["code"] = experiment.code
    return made


FIRST, SECOND = tiny_experiment("first", position=1), tiny_experiment("second", position=2, steps=6)
KEYS = {
    "paper",
    "id",
    "figure",
    "statement",
    "source",
    "expected",
    "estimate",
    "interval",
    "verdict",
    "seeds",
    "control",
    "quantity",
    "is_bound",
    "form",
    "reason",
    "reference",
    "answer",
    "remark",
    "missing_seeds",
    "unseen_share",
    "seeds_to_decide",
    "settings",
}


@pytest.fixture(autouse=True)
def two_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_place(monkeypatch, [FIRST, SECOND])


def strict(path: Path) -> Any:
    """JSON without the NaN and Infinity that Python would write and read."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{path.name} holds {constant}, which is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def times(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_the_contract(tmp_path: Path) -> None:
    done = reproduce("li2024", out=tmp_path, seeds=2, device="cpu")
    assert done.missing == []
    for figure in ("first", "second"):
        assert (tmp_path / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / f"{figure}.pdf").read_bytes().startswith(b"%PDF")
        rows = pl.read_parquet(tmp_path / f"{figure}.parquet")
        assert {"arm", "seed"} <= set(rows.columns)
        assert len(rows) == 4

    claims = strict(tmp_path / "claims.json")
    assert [claim["id"] for claim in claims] == [
        f"{figure}-{what}" for figure in ("first", "second") for what in ("holds", "fails", "open")
    ]
    assert [claim["verdict"] for claim in claims] == ["holds", "fails", "inconclusive"] * 2
    for claim in claims:
        assert set(claim) >= KEYS
        assert claim["paper"] == "li2024"
        assert claim["figure"] in ("first", "second")
        assert len(claim["expected"]) == len(claim["interval"]) == 2
        assert set(claim["control"]) >= {"description", "verdict"}
        assert isinstance(claim["seeds"], int)
    first, second, nothing = claims[:3]
    low, high = first["interval"]
    assert low < first["estimate"] < high
    assert first["expected"] == [0.0, None]
    assert second["expected"] == [None, -1e6]
    # Nothing was measured of it; a risk is at least 0 all the same.
    assert (nothing["estimate"], nothing["interval"], nothing["seeds"]) == (None, [0.0, None], 0)
    assert nothing["expected"] == [0.0, math.pi]

    run = strict(tmp_path / "run.json")
    assert {name: len(figure["trials"]) for name, figure in run["figures"].items()} == {"first": 2, "second": 2}
    stored = {path.stem for path in (tmp_path / "trained").iterdir()}
    assert {name for figure in run["figures"].values() for name in figure["trials"]} == stored
    assert all(figure["seconds"] >= 0 for figure in run["figures"].values())
    assert {"iclscope", "torch", "Python", "numpy"} <= set(run["environment"])
    assert "CPU" in run["environment"]["device"]
    assert run["settings"]["preset"] == "quick"
    assert run["settings"]["seeds"] == 2

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "A tiny figure called first" in page
    assert "second-open" in page
    assert 'src="http' not in page
    assert 'href="http' not in page.replace('href="https://arxiv.org', "").replace('href="https://doi.org', "")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [], "temporary files are left"


def test_a_second_run_makes_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = reproduce("li2024", out=tmp_path, seeds=2)
    before = times(tmp_path)
    # Neither trained nor measured nor drawn.
    forbidden = [unchanged(one, measure=fail, draw=fail) for one in (FIRST, SECOND)]
    put_in_place(monkeypatch, forbidden)
    second = reproduce("li2024", out=tmp_path, seeds=2)
    after = times(tmp_path)
    made_anew = {name for name in after if after[name] != before.get(name)}
    assert made_anew <= {"report.html", "claims.json", "claims.csv", "claims.tex", "run.json"}
    assert [(one.claim.id, one.estimate) for one in first.claims if one.estimate.seeds] == [
        (one.claim.id, one.estimate) for one in second.claims if one.estimate.seeds
    ]


def fail(*_arguments: Any, **_settings: Any) -> NoReturn:
    raise AssertionError("this was finished")


@pytest.mark.parametrize("kind", ["png", "pdf", "svg", "parquet"])
def test_a_missing_file_is_made_again_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    reproduce("li2024", out=tmp_path, seeds=2)
    content = (tmp_path / f"second.{kind}").read_bytes()
    (tmp_path / f"second.{kind}").unlink()
    before = times(tmp_path)
    put_in_place(monkeypatch, [unchanged(FIRST, measure=fail, draw=fail), SECOND])
    reproduce("li2024", out=tmp_path, seeds=2)
    after = times(tmp_path)
    assert (tmp_path / f"second.{kind}").stat().st_size == pytest.approx(len(content), rel=0.05)
    assert [name for name in before if name.startswith(("first", "trained/")) and after[name] != before[name]] == []


def test_figures_may_come_one_after_the_other(tmp_path: Path) -> None:
    first = reproduce("li2024", figures=["second"], out=tmp_path, seeds=2)
    assert first.missing == []  # nobody asked for the other
    assert {claim.figure for claim in first.claims} == {"second"}
    assert not (tmp_path / "first.png").exists()
    before = times(tmp_path)
    both = reproduce("li2024", out=tmp_path, seeds=2)
    assert both.missing == []
    assert [claim.figure for claim in both.claims] == ["first"] * 3 + ["second"] * 3
    assert times(tmp_path)["second.png"] == before["second.png"]
    # Asked for one only, the report still shows all that is there.
    again = reproduce("li2024", figures=["first"], out=tmp_path, seeds=2)
    assert len(again.claims) == 6


def test_other_trials_make_a_figure_unfinished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reproduce("li2024", out=tmp_path, seeds=2)
    before = times(tmp_path)
    put_in_place(monkeypatch, [FIRST, tiny_experiment("second", position=2, steps=8)])
    reproduce("li2024", out=tmp_path, seeds=2)
    after = times(tmp_path)
    assert after["second.parquet"] > before["second.parquet"]
    assert after["first.parquet"] == before["first.parquet"]


def test_models_are_trained_once_for_all_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_place(monkeypatch, [FIRST, replace(FIRST, name="twin", position=2)])
    reproduce("li2024", out=tmp_path, seeds=2)
    assert len(list((tmp_path / "trained").iterdir())) == 2


def test_interrupted_between_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: Any) -> NoReturn:
        raise KeyboardInterrupt

    put_in_place(monkeypatch, [FIRST, unchanged(SECOND, measure=interrupted)])
    with pytest.raises(InterruptedReproduction) as stopped:
        reproduce("li2024", out=tmp_path, seeds=2)
    made = stopped.value.reproduction
    assert made.missing == ["second"]
    assert {claim.figure for claim in made.claims} == {"first"}
    assert len(strict(tmp_path / "claims.json")) == 3
    assert "second" in made.report.read_text(encoding="utf-8")
    put_in_place(monkeypatch, [unchanged(FIRST, measure=fail, draw=fail), SECOND])
    assert len(reproduce("li2024", out=tmp_path, seeds=2).claims) == 6


def test_a_failing_figure_leaves_the_finished_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_place(monkeypatch, [FIRST, unchanged(SECOND, draw=fail)])
    with pytest.raises(IncompleteReproduction, match="second: AssertionError: this was finished"):
        reproduce("li2024", out=tmp_path, seeds=2)
    put_in_place(monkeypatch, [unchanged(FIRST, measure=fail), SECOND])
    assert reproduce("li2024", out=tmp_path, seeds=2).missing == []


def test_numbers_are_the_same_in_another_folder(tmp_path: Path) -> None:
    for name in ("one", "other"):
        reproduce("li2024", out=tmp_path / name, seeds=2)
    for figure in ("first", "second"):
        one, other = (pl.read_parquet(tmp_path / name / f"{figure}.parquet") for name in ("one", "other"))
        assert one.equals(other)
        assert (tmp_path / "one" / f"{figure}.png").read_bytes() == (tmp_path / "other" / f"{figure}.png").read_bytes()
    assert (tmp_path / "one" / "claims.json").read_bytes() == (tmp_path / "other" / "claims.json").read_bytes()


def test_progress_adds_up(tmp_path: Path) -> None:
    told: list[tuple[str, Any]] = []

    class Listener:
        def expect(self, figures: int, run_steps: int) -> None:
            told.append(("expect", (figures, run_steps)))

        def stage(self, figure: str, doing: str) -> None:
            told.append(("stage", (figure, doing)))

        def steps(self, run_steps: int) -> None:
            told.append(("steps", run_steps))

        def skip(self, run_steps: int) -> None:
            told.append(("skip", run_steps))

        def figure_done(self) -> None:
            told.append(("done", 1))

    reproduce("li2024", out=tmp_path, seeds=2, progress=Listener())
    assert told[0] == ("expect", (2, 2 * 4 + 2 * 6))
    assert sum(number for what, number in told if what == "steps") == 20
    assert sum(number for what, number in told if what == "done") == 2
    stages = [what for kind, what in told if kind == "stage"]
    assert stages == [(name, doing) for name in ("first", "second") for doing in ("training", "measuring", "drawing")]
    told.clear()
    reproduce("li2024", out=tmp_path, seeds=2, progress=Listener())
    assert told == [("expect", (0, 0))]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"figures": ["third"]}, ("figure", "third", "first", "second")),
        ({"preset": "long"}, ("preset", "quick", "lab", "paper")),
        ({"seeds": 1}, ("seeds", "1", "2")),
        ({"device": "tpu"}, ("device", "auto", "cpu", "cuda")),
        ({"paper": "li2025"}, ("PAPER", "li2025", "li2024")),
    ],
)
def test_bad_requests_write_nothing(tmp_path: Path, settings: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as refusal:
        reproduce(**{"paper": "li2024", "out": tmp_path / "new", **settings})
    assert all(says(str(refusal.value), word) for word in words)
    assert list(tmp_path.iterdir()) == []


def test_all_means_every_paper_once() -> None:
    assert requested_papers(["all"]) == list(PAPERS)
    others = [paper for paper in PAPERS if paper != "garg2022"]
    assert requested_papers(["garg2022", "all", "li2024"]) == ["garg2022", *others]
    assert requested_papers(["li2024", "li2024"]) == ["li2024"]
    with pytest.raises(BadRequest, match=r"li2024.*garg2022"):
        requested_papers([])


def test_the_library_offers_it() -> None:
    assert iclscope.reproduce is reproduce
