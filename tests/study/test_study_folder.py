"""Which folders may be written, and that all others stay as they are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest
from study.tiny import put_in_place, reproduce_module, tiny_experiment

from iclscope.core.errors import BadRequest
from iclscope.execution import jobs
from iclscope.execution import run_trials as run_trials_module
from iclscope.study.reproduce import planned, reproduce

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_place(monkeypatch, [tiny_experiment()])


def everything(folder: Path) -> dict[str, tuple[bytes | None, int]]:
    """All files below a folder, with their bytes and times."""
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else None, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def refusal(out: Path, **settings: object) -> str:
    """The line with which a folder is refused; nothing may change."""
    with pytest.raises(BadRequest) as refused:
        reproduce("li2024", out=out, **{"seeds": 2, **settings})  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(("out: expected ", f"out = {str(out)!r}: "))
    assert repr(str(out)) in str(refused.value)
    return str(refused.value)


def test_a_new_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    done = reproduce("li2024", out=tmp_path / "a" / "b", seeds=2)
    assert done.folder == tmp_path / "a" / "b"
    assert done.report.is_file()


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    reproduce("li2024", out=str(tmp_path), seeds=2)
    assert (tmp_path / "report.html").is_file()


def test_the_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert reproduce("li2024", seeds=2).folder == Path("results/li2024")
    assert (tmp_path / "results" / "li2024" / "report.html").is_file()


def test_planning_writes_nothing(tmp_path: Path) -> None:
    planned("li2024", out=tmp_path / "new", seeds=2)
    assert everything(tmp_path) == {}


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("thesis.tex", "years of work"),
        ("run.json", "{}"),
        ("run.json", '{"made by": "somebody else", "settings": {}}'),
        ("run.json", '{"made by": "iclscope reproduction"}'),
        ("run.json", "not JSON"),
        ("run.json", "[1, 2]"),
        ("claims.json", "[]"),
        (".hidden", ""),
    ],
)
def test_a_folder_with_other_files_is_left_as_it_is(tmp_path: Path, name: str, content: str, force: bool) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text(content)
    (tmp_path / "out" / "deeper").mkdir()
    (tmp_path / "out" / "deeper" / "tiny.png").write_bytes(b"\x00\x01")
    before = everything(tmp_path)
    line = refusal(tmp_path / "out", force=force)
    assert "new or empty folder" in line
    assert everything(tmp_path) == before


@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_not_a_folder(tmp_path: Path, force: bool) -> None:
    (tmp_path / "out").write_text("a file")
    before = everything(tmp_path)
    assert "this is a file" in refusal(tmp_path / "out", force=force)
    assert "cannot" in refusal(tmp_path / "out" / "below", force=force)
    assert everything(tmp_path) == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that nobody can write to")
def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    assert "cannot be written to" in refusal(Path("/proc/iclscope-test"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "cannot" in refusal(tmp_path / "new")


@pytest.mark.parametrize("settings", [{"preset": "paper", "seeds": 2}, {"seeds": 3}, {"preset": "paper", "seeds": 3}])
def test_results_of_other_settings_are_kept(tmp_path: Path, settings: dict[str, object]) -> None:
    reproduce("li2024", out=tmp_path, seeds=2)
    before = everything(tmp_path)
    line = refusal(tmp_path, **settings)
    assert "preset quick" in line
    assert "seeds 2" in line
    assert "--force" in line
    assert everything(tmp_path) == before


def test_force_replaces_results_of_other_settings(tmp_path: Path) -> None:
    reproduce("li2024", out=tmp_path, seeds=2)
    done = reproduce("li2024", out=tmp_path, seeds=3, force=True)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["settings"]["seeds"] == 3
    assert {claim.estimate.seeds for claim in done.claims} == {0, 3}
    refusal(tmp_path, seeds=2)


def test_force_makes_everything_anew(tmp_path: Path) -> None:
    reproduce("li2024", out=tmp_path, seeds=2)
    before = everything(tmp_path)
    reproduce("li2024", out=tmp_path, seeds=2, force=True)
    after = everything(tmp_path)
    assert after.keys() == before.keys()
    trained = [name for name in after if name.startswith("trained/")]
    assert len(trained) == 2
    for name in (*trained, "tiny.png", "tiny.pdf", "tiny.parquet"):
        assert after[name][1] > before[name][1], f"{name} was not made anew"


@pytest.mark.parametrize("damage", [b"", b"PAR1 and then nothing of use", None])
def test_damaged_rows_are_measured_again(tmp_path: Path, damage: bytes | None) -> None:
    done = reproduce("li2024", out=tmp_path, seeds=2)
    claims = (tmp_path / "claims.json").read_bytes()
    table = next(tmp_path.glob("*.parquet"))
    whole = table.read_bytes()
    table.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert reproduce("li2024", out=tmp_path, seeds=2).missing == done.missing == []
    assert pl.read_parquet(table).height > 0
    assert (tmp_path / "claims.json").read_bytes() == claims


def test_force_forgets_unfinished_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anew means from the first step, not from where an interrupted run of other code was."""
    interrupt_after(monkeypatch, steps=3)
    with pytest.raises(KeyboardInterrupt):
        reproduce("li2024", out=tmp_path, seeds=2)
    assert len(list((tmp_path / "trained").glob("unfinished-*"))) == 1
    monkeypatch.undo()
    put_in_place(monkeypatch, [tiny_experiment()])
    counted = Counting()
    reproduce("li2024", out=tmp_path, seeds=2, force=True, progress=counted)
    assert counted.made == 2 * 4


def test_an_interrupted_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(monkeypatch, steps=3)
    with pytest.raises(KeyboardInterrupt):
        reproduce("li2024", out=tmp_path, seeds=2)
    monkeypatch.undo()
    put_in_place(monkeypatch, [tiny_experiment()])
    counted = Counting()
    reproduce("li2024", out=tmp_path, seeds=2, progress=counted)
    assert counted.made == 2 * 1
    assert counted.expected - counted.skipped == counted.made
    assert list((tmp_path / "trained").glob("unfinished-*")) == []


class Counting:
    """Counts the steps that are made."""

    def __init__(self) -> None:
        self.made = self.expected = self.skipped = 0

    def expect(self, figures: int, run_steps: int) -> None:
        assert figures == 1
        self.expected = run_steps

    def stage(self, figure: str, doing: str) -> None: ...

    def steps(self, run_steps: int) -> None:
        self.made += run_steps

    def skip(self, run_steps: int) -> None:
        self.skipped += run_steps

    def figure_done(self) -> None: ...


def interrupt_after(monkeypatch: pytest.MonkeyPatch, *, steps: int) -> None:
    """Stop the training after so many steps, as Ctrl-C does, at a step that does not depend on the clock."""
    real = jobs.train_trials

    def stopping(trials: object, **settings: object) -> object:
        made = 0

        def should_stop() -> bool:
            nonlocal made
            made += 1
            return made >= steps

        return real(trials, **{**settings, "should_stop": should_stop})  # type: ignore[arg-type]

    def run_groups(groups: object, store: object, **settings: object) -> None:
        monkeypatch.setattr(jobs, "train_trials", stopping)
        real_run_groups(groups, store, **settings)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    real_run_groups = run_trials_module.run_groups
    monkeypatch.setattr(reproduce_module, "run_groups", run_groups)
