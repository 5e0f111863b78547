"""``iclscope llm prune`` as a user runs it, on a tiny Llama."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import torch
from language_models.tiny_models import make_tiny
from refusals import says
from safetensors.torch import load_file

from iclscope.cli.main import main
from iclscope.language_models.models.loading import load_language_model
from iclscope.language_models.models.mlp_layout import mlp_layout

QUICK = ["--queries", "4", "--draws", "1", "--shots", "2", "--prompts", "2", "--texts", "2", "--timings", "1"]
ALONE = ["--save", "DIR", "--save-score", "magnitude"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny(tmp_path_factory.mktemp("cli") / "tiny-llama", "llama"))


def test_it_measures_tells_and_saves(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, small = tmp_path / "out", tmp_path / "small"
    asked = ["llm", "prune", model, "words", "--rates", "0.25,0.5", *QUICK, "--out", str(out)]
    status = main([*asked, "--save", str(small), "--save-rate", "0.25", "--save-score", "activation"])
    told = capsys.readouterr().out
    assert status == 0
    assert pl.read_parquet(out / "rows.parquet").height == 4 * (1 + 4 * 2)
    assert (out / "report.html").is_file()
    assert "activation" in told
    assert "new token" in told
    assert "Saved:" in told
    assert mlp_layout(load_language_model(str(small))).width == 36


def test_a_rate_and_a_score_to_save_are_not_measured(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The neurons are those of a measurement; no query is asked, and nothing but the checkpoint is written."""
    monkeypatch.chdir(tmp_path)
    asked = ["llm", "prune", model, "words", "--queries", "4", "--shots", "2", "--prompts", "2", "--texts", "2"]
    saving = ["--save-rate", "0.25", "--save-score", "activation"]
    measuring = ["--rates", "0.25", "--score", "activation", "--timings", "0", "--draws", "1", "--out", "out"]
    assert main([*asked, "--save", "measured", *saving, *measuring]) == 0
    assert "Nothing was measured" not in capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setattr("iclscope.language_models.prompts.answers.scored_labels", None)
        assert main([*asked, "--save", "alone", *saving]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("Nothing was measured")
    assert told[1].startswith("Saved: alone (activation, 25 % removed, ")
    assert len(told) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "measured", "out"]
    alone, measured = (json.loads(Path(name, "pruning.json").read_text()) for name in ("alone", "measured"))
    unmeasured = {key: value for key, value in measured.items() if "accuracy" not in key}
    assert alone == unmeasured != measured
    weights = [load_file(next(Path(name).glob("*.safetensors"))) for name in ("alone", "measured")]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(
    "more",
    [["--rates", "0.25"], ["--score", "magnitude"], ["--out", "out"], ["--draws", "1"], ["--force"]],
    ids=" ".join,
)
def test_who_names_what_only_measuring_reads_wants_it_measured(
    more: list[str], model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rate that is none of those measured is refused then."""
    monkeypatch.chdir(tmp_path)
    saving = ["--save", "small", "--save-rate", "0.26", "--save-score", "magnitude"]
    assert main(["llm", "prune", model, "words", *saving, *more]) == 2
    assert "--save-rate: expected recommended, or one of --rates" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nothing_recommended_is_nothing_saved(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model of random weights answers by chance."""
    out, small = tmp_path / "out", tmp_path / "small"
    asked = ["llm", "prune", model, "words", "--rates", "0.5", "--score", "magnitude", *QUICK, "--out", str(out)]
    assert main([*asked, "--save", str(small)]) == 1
    assert "Nothing was saved" in capsys.readouterr().out
    assert not small.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rates", "0.1,1"], "--rates: expected"),
        (["--rates", "0.001"], "--rates: expected"),
        (["--rates", "some"], "--rates: expected"),
        (["--score", "size"], "--score: expected one of magnitude, activation, random, largest"),
        (["--norm", "l2"], "--norm: expected one of auto, incoming, outgoing, product"),
        (["--shots", "0"], "--shots: expected"),
        (["--save-rate", "0.1"], "--save-rate: expected only with --save"),
        (
            ["--save", "DIR", "--save-rate", "0.15"],
            "--save-rate: expected recommended, or one of",
        ),
        (["--save", "DIR", "--score", "random", "--save-score", "magnitude"], "--save-score = 'magnitude'"),
        (["--save", "FULL"], "a new or an empty folder"),
        ([*ALONE, "--save-rate", "1"], "--save-rate: expected"),
        ([*ALONE, "--save-rate", "0.001"], "--save-rate: expected shares that remove"),
        ([*ALONE, "--save-rate", "0.1", "--save-score", "size"], "--save-score: expected one of magn"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    options: list[str], message: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    places = {"DIR": str(tmp_path / "new"), "FULL": str(full)}
    given = [places.get(word, word) for word in options]
    usual = [] if "--save-score" in given and "--score" not in given else [*QUICK, "--out", str(tmp_path / "out")]
    assert main(["llm", "prune", model, "words", *usual, *given]) == 2
    told = capsys.readouterr()
    assert says(told.err, message)
    assert len(told.err.strip().splitlines()) == 1
    assert told.out == ""
    assert not (tmp_path / "out").exists()
    assert [path.name for path in full.iterdir()] == ["mine.txt"]


def test_an_unknown_layout_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bloom = make_tiny(tmp_path / "bloom", "bloom", hidden_size=32, n_layer=2, n_head=4)
    assert main(["llm", "prune", str(bloom), "words", *QUICK, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "this one is of type 'bloom'" in told
    assert "gpt_neox" in told
