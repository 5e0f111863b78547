"""Paths are names, never patterns, and a leading ``~`` is the home folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from language_models.tiny_models import make_tiny

import iclscope as icl
from iclscope.cli.main import main
from iclscope.language_models.texts.labelled_text import load_task

OURS = [("horse", "ours"), ("wolf", "mine"), ("bread", "ours"), ("soup", "mine"), ("film", "ours"), ("good", "mine")]
THEIRS = [("a", "theirs"), ("b", "other"), ("c", "theirs"), ("d", "other"), ("e", "theirs"), ("f", "other")]
SWEEP = """paper: zhang2024
name: s
base:
  task: {length: 4}
  training: {steps: 2, batch_size: 8}
vary:
  training.learning_rate: [0.01, RATE]
seeds: 2
tests: {own: {prompts: 8}}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("paths") / "tiny", "llama", num_hidden_layers=1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and another folder in which commands run."""
    folder, work = tmp_path / "home", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(work)
    return folder


def table(rows: list[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["text", "label"], orient="row")


def write_csv(file: Path, rows: list[tuple[str, str]]) -> None:
    table(rows).write_csv(file)


def write_tsv(file: Path, rows: list[tuple[str, str]]) -> None:
    table(rows).write_csv(file, separator="\t")


def write_jsonl(file: Path, rows: list[tuple[str, str]]) -> None:
    file.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))


def write_parquet(file: Path, rows: list[tuple[str, str]]) -> None:
    table(rows).write_parquet(file)


def asked(model: Path | str, data: Path | str, out: Path | str, **settings: Any) -> pl.DataFrame:
    given = {"shots": 0, "queries": 3, "draws": 1, **settings}
    return icl.language_models.evaluate(model, data, out=out, **given).rows


def labels(out: Path) -> list[str]:
    return list(json.loads((out / "run.json").read_text())["labels"])


@pytest.mark.parametrize(
    ("name", "decoys", "write"),
    [
        ("data[1].csv", ["data1.csv"], write_csv),
        ("q?.csv", ["qa.csv", "q1.csv"], write_csv),
        ("*.jsonl", ["a.jsonl", "b.jsonl"], write_jsonl),
        ("x[!a].tsv", ["xb.tsv", "xc.tsv"], write_tsv),
        ("{a,b}.parquet", ["a.parquet", "b.parquet"], write_parquet),
        ("p[0-9].parquet", ["p7.parquet"], write_parquet),
        ("**.csv", ["z.csv"], write_csv),
        ("100%20.csv", ["100 .csv"], write_csv),
    ],
)
def test_a_data_file_is_the_file_of_that_name(
    tmp_path: Path, name: str, decoys: list[str], write: Callable[[Path, list[tuple[str, str]]], None]
) -> None:
    write(tmp_path / name, OURS)
    for decoy in decoys:
        write(tmp_path / decoy, THEIRS)
    task = load_task(tmp_path / name)
    assert [*zip(task.pool.texts, task.pool.labels, strict=True)] == OURS


def test_a_measurement_asks_the_rows_of_the_file_of_that_name(model: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "data[1].csv", OURS)
    write_csv(tmp_path / "data1.csv", THEIRS)
    rows = asked(model, tmp_path / "data[1].csv", tmp_path / "out")
    assert labels(tmp_path / "out") == ["mine", "ours"]
    assert set(rows["label"]) <= {"mine", "ours"}


def test_a_pattern_that_is_no_files_name_is_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_csv(tmp_path / "qa.csv", OURS)
    for name in ("q?.csv", "q*.csv", "q[a].csv"):
        assert main(["llm", "evaluate", str(model), str(tmp_path / name), "--out", str(tmp_path / "out")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert name in line
    assert not (tmp_path / "out").exists()


def test_a_folder_of_splits_is_the_folder_of_that_name(model: Path, tmp_path: Path) -> None:
    for name, rows in (("d[1]", OURS), ("d1", THEIRS)):
        (tmp_path / name).mkdir()
        write_csv(tmp_path / name / "train.csv", rows[:4])
        write_csv(tmp_path / name / "test.csv", rows[4:])
    found = asked(model, tmp_path / "d[1]", tmp_path / "out", shots=2)
    assert labels(tmp_path / "out") == ["mine", "ours"]
    assert set(found["label"]) <= {"mine", "ours"}


def test_queries_come_from_the_test_file_of_that_name(model: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "pool.csv", OURS)
    write_csv(tmp_path / "t[1].csv", [("bird", "mine")])
    write_csv(tmp_path / "t1.csv", [("cow", "ours"), ("pig", "ours")])
    rows = asked(model, tmp_path / "pool.csv", tmp_path / "out", test=tmp_path / "t[1].csv")
    assert rows["label"].to_list() == ["mine"]


@pytest.mark.parametrize("name", ["run[1]"])
def test_a_folder_of_results_has_its_own_rows(model: Path, tmp_path: Path, name: str) -> None:
    write_csv(tmp_path / "ours.csv", OURS)
    write_csv(tmp_path / "theirs.csv", THEIRS)
    asked(model, tmp_path / "theirs.csv", tmp_path / "run1")
    first = asked(model, tmp_path / "ours.csv", tmp_path / name)
    assert set(first["label"]) <= {"mine", "ours"}
    again = asked(model, tmp_path / "ours.csv", tmp_path / name)
    assert again.equals(first)
    assert pl.read_parquet((tmp_path / name / "rows.parquet").read_bytes()).equals(first)


def test_more_draws_in_a_folder_with_brackets_are_added_to_its_own(model: Path, tmp_path: Path) -> None:
    """Parts of a run that is a neighbour by pattern must not be counted as finished."""
    write_csv(tmp_path / "ours.csv", OURS)
    write_csv(tmp_path / "theirs.csv", THEIRS)
    asked(model, tmp_path / "theirs.csv", tmp_path / "run1", shots=1, draws=2)
    whole = asked(model, tmp_path / "ours.csv", tmp_path / "plain", shots=1, draws=2)
    asked(model, tmp_path / "ours.csv", tmp_path / "run[1]", shots=1, draws=1)
    grown = asked(model, tmp_path / "ours.csv", tmp_path / "run[1]", shots=1, draws=2)
    assert grown.equals(whole)


def test_a_model_in_a_folder_with_brackets_is_told_from_its_neighbour(tmp_path: Path) -> None:
    write_csv(tmp_path / "ours.csv", OURS)
    make_tiny(tmp_path / "m1", "llama", num_hidden_layers=1, seed=1)
    make_tiny(tmp_path / "m[1]", "llama", num_hidden_layers=1, seed=2)
    one = asked(tmp_path / "m1", tmp_path / "ours.csv", tmp_path / "one")
    two = asked(tmp_path / "m[1]", tmp_path / "ours.csv", tmp_path / "two")
    assert one["score_sum"].to_list() != two["score_sum"].to_list()
    with pytest.raises(icl.BadRequest):
        asked(tmp_path / "m[1]", tmp_path / "ours.csv", tmp_path / "one")
    make_tiny(tmp_path / "m[1]", "llama", num_hidden_layers=1, seed=3)
    with pytest.raises(icl.BadRequest):
        asked(tmp_path / "m[1]", tmp_path / "ours.csv", tmp_path / "two")


def test_a_sweep_in_a_folder_with_brackets_shows_its_own_trials(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = Path.cwd()
    for name, rate in (("a", "0.02"), ("b", "0.04")):
        (work / f"{name}.yaml").write_text(SWEEP.replace("RATE", rate))
    icl.sweep("b.yaml", out="sw1")
    (home / "a.yaml").write_text((work / "a.yaml").read_text())
    rows = icl.sweep("~/a.yaml", out="~/sw[1]", store="~/st[1]")
    shutil.copytree("sw1", home / "sw1")
    assert rows["training.learning_rate"].unique().sort().to_list() == [0.01, 0.02]
    assert icl.sweep_rows("~/sw[1]").equals(rows)
    assert (home / "st[1]" / "store.json").is_file()
    capsys.readouterr()
    assert main(["show", "~/sw[1]", "--csv"]) == 0
    shown = capsys.readouterr().out
    assert "0.02" in shown
    assert "0.04" not in shown
    assert main(["plot", "~/sw[1]", "--out", "~/p[1].png"]) == 0
    assert (home / "p[1].png").is_file()
    assert not (work / "~").exists()


def test_a_store_with_brackets_does_not_take_trials_of_its_neighbour(home: Path) -> None:
    Path("a.yaml").write_text(SWEEP.replace("RATE", "0.02"))
    icl.sweep("a.yaml", out="one", store="st1")
    icl.sweep("a.yaml", out="two", store="st[1]")
    names = sorted(file.name for file in Path("st1/rows").iterdir())
    assert sorted(file.name for file in Path("st[1]/rows").iterdir()) == names != []
    shutil.rmtree("st1")
    assert icl.sweep("a.yaml", out="three", store="st[1]").height == 4


def test_a_sweep_extends_the_file_of_that_name(home: Path) -> None:
    Path("base[1].yaml").write_text(SWEEP.replace("RATE", "0.02"))
    Path("base1.yaml").write_text(SWEEP.replace("RATE", "0.08"))
    (home / "base2.yaml").write_text(SWEEP.replace("RATE", "0.04"))
    for extended, rates in (("base[1].yaml", [0.01, 0.02]), ("~/base2.yaml", [0.01, 0.04])):
        Path("mine.yaml").write_text(f'extends: "{extended}"\nname: mine\n')
        rows = icl.sweep("mine.yaml", out=f"out{rates[1]}")
        assert rows["training.learning_rate"].unique().sort().to_list() == rates


def test_a_paper_in_a_home_folder_with_brackets_is_judged_by_its_own_rows(home: Path) -> None:
    def reproduced() -> Any:
        icl.reproduce("huang2024", figures="gradient", seeds=2, out="~/r[1]")
        return json.loads((home / "r[1]" / "claims.json").read_text())

    first = reproduced()
    shutil.copytree(home / "r[1]", home / "r1")
    rows = pl.read_parquet((home / "r1" / "gradient.parquet").read_bytes())
    rows.with_columns(pl.selectors.float() * 1000 + 7).write_parquet(home / "r1" / "gradient.parquet")
    (home / "r[1]" / "claims.json").unlink()
    assert reproduced() == first
    assert not (Path.cwd() / "~").exists()


def test_home_is_meant_in_every_place_of_a_measurement(model: Path, home: Path) -> None:
    write_csv(home / "ours.csv", OURS)
    write_csv(home / "asked.csv", [("bird", "mine")])
    shutil.copytree(model, home / "tiny")
    rows = asked("~/tiny", "~/ours.csv", "~/run", test="~/asked.csv")
    assert rows["label"].to_list() == ["mine"]
    settings = icl.language_models.PruneSettings(
        rates=(0.5,), scores=("magnitude",), shots=1, prompts=1, texts=1, timings=1
    )
    save = icl.language_models.Save(Path("~/smaller"), 0.5, "magnitude")
    icl.language_models.measure_pruning(
        "~/tiny", "~/ours.csv", settings=settings, save=save, out="~/pruned", queries=2, draws=1
    )
    assert (home / "smaller" / "config.json").is_file()
    assert (home / "run" / "rows.parquet").is_file()
    assert sorted(path.name for path in Path.cwd().iterdir()) == []


def test_home_is_meant_by_models_of_ours(home: Path) -> None:
    model = icl.models.SoftmaxReLUTransformer(d_X=4, d_Y=4, width=3, seeds=1)
    model.save_pretrained("~/m[1]")
    icl.models.SoftmaxReLUTransformer(d_X=4, d_Y=4, width=5, seeds=1).save_pretrained(home / "m1")
    again = icl.models.SoftmaxReLUTransformer.from_pretrained("~/m[1]")
    assert [tuple(weights.shape) for weights in again.parameters()] == [
        tuple(weights.shape) for weights in model.parameters()
    ]
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("name", ["x/~/y"])
def test_a_tilde_that_does_not_lead_is_a_letter(model: Path, home: Path, name: str) -> None:
    write_csv(Path("ours.csv"), OURS)
    asked(model, "ours.csv", name)
    assert (Path.cwd() / name / "rows.parquet").is_file()
    assert list(home.iterdir()) == []
