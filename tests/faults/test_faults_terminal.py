"""Whatever is around a command, it works or ends in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from language_models.made_tokenizers import made_tokenizer
from language_models.tiny_models import make_tiny
from polars.testing import assert_frame_equal
from refusals import says

import iclscope as icl
from iclscope.cli.main import main

SWEEP = """
base:
  task: {kind: linear_regression, d_X: 2, length: 3}
  model: {kind: linear_attention, d_X: 2}
  training: {loss: squared, optimizer: adam, learning_rate: 0.01, steps: 2, batch_size: 4}
vary: {task.length: [2, 3, 4]}
seeds: 2
tests: {own: {prompts: 16}}
"""
ODD = os.fsdecode(b"caf\xe9")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny(tmp_path_factory.mktemp("models") / "tiny-gpt2", "gpt2"))


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"thing {place},{'ab'[place % 2]}\n" for place in range(20))
    Path("d.csv").write_text("text,label\n" + rows, encoding="utf-8")
    Path("s.yaml").write_text(SWEEP, encoding="utf-8")


def process(code: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **variables}, capture_output=True, check=False
    )


def one_line(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "Traceback" not in told
    told.encode("utf-8")
    for word in words:
        assert says(told, word)
    return told


def evaluation(model: str, data: str = "d.csv", out: str = "run") -> list[str]:
    return ["llm", "evaluate", model, data, "--shots", "0,2", "--queries", "4", "--draws", "2", "--out", out]


# Around the process


def test_a_backend_that_is_not_there_does_not_keep_a_command_from_drawing() -> None:
    code = (
        "from iclscope.cli.main import main\n"
        "assert main(['sweep', 's.yaml', '--out', 'out']) == 0\n"
        "assert main(['plot', 'out', '--out', 'picture.png']) == 0\n"
    )
    ended = process(code, MPLBACKEND="module://no_such.backend_inline")
    assert ended.returncode == 0, ended.stderr.decode()
    assert Path("picture.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
@pytest.mark.parametrize("words", [["--version"], ["--help"], ["predict", "li2024"]])
def test_a_full_disk_behind_standard_output_ends_in_one_line(words: list[str]) -> None:
    command = f"import sys; sys.argv = ['iclscope', *{words!r}]; from iclscope.cli.main import run; run()"
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = subprocess.run([sys.executable, "-c", command], stdout=full, stderr=subprocess.PIPE, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count(b"\n") == 1
    assert b"No space left" in ended.stderr


def test_a_closed_pipe_is_no_error_to_speak_of() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = "import sys; sys.argv = ['iclscope', '--help']; from iclscope.cli.main import run; run()"
    try:
        ended = subprocess.run([sys.executable, "-c", command], stdout=writing, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writing)
    assert ended.returncode != 0
    assert b"Traceback" not in ended.stderr
    assert ended.stderr.count(b"\n") <= 1


# Names that are not UTF-8


@pytest.mark.parametrize(
    "words",
    [
        ["sweep", ODD + ".yaml"],
        ["sweep", "s.yaml", "--out", ODD],
        ["sweep", "s.yaml", "--store", ODD],
        ["show", ODD],
        ["plot", ODD],
        ["evaluate", ODD],
        ["llm", "evaluate", ODD, "d.csv"],
        ["llm", "evaluate", "MODEL", ODD + ".csv"],
        ["llm", "evaluate", "MODEL", "d.csv", "--test", ODD + ".csv"],
        ["llm", "evaluate", "MODEL", "d.csv", "--out", ODD],
        ["llm", "evaluate", "MODEL", "d.csv", "--format", "{text} " + ODD],
        ["llm", "evaluate", "MODEL", "d.csv", "--label-word", "a=" + ODD],
        ["llm", "prune", "MODEL", "d.csv", "--save", ODD],
    ],
    ids=lambda words: "-".join(words).encode("ascii", "replace").decode(),
)
def test_a_name_that_is_not_utf_8_is_refused_in_one_line(
    words: list[str], model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(ODD + ".csv").write_bytes(Path("d.csv").read_bytes())
    Path(ODD + ".yaml").write_text(SWEEP, encoding="utf-8")
    assert main([model if word == "MODEL" else word for word in words]) == 2
    one_line(capsys)
    assert not Path(ODD).exists()


def test_names_in_a_folder_that_is_not_utf_8_are_served_or_refused(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(ODD)
    folder.mkdir()
    (folder / "s.yaml").write_text(SWEEP, encoding="utf-8")
    (folder / "d.csv").write_bytes(Path("d.csv").read_bytes())
    monkeypatch.chdir(folder)
    for words in (["sweep", "s.yaml", "--out", "out"], evaluation(model)):
        status = main(words)
        assert status in (0, 2)
        if status == 2:
            one_line(capsys)
        capsys.readouterr()


def test_other_files_with_such_names_are_in_nobodys_way(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "s.yaml", "--out", "out"]) == 0
    assert main(evaluation(model)) == 0
    rows = pl.read_parquet("out/rows.parquet")
    for folder in ("out/store/rows", "out/store", "run/parts"):
        (Path(folder) / (ODD + ".parquet")).write_bytes(b"PAR1 foreign")
    assert main(["sweep", "s.yaml", "--out", "out"]) == 0
    assert main(["show", "out"]) == 0
    assert main(evaluation(model)) == 0
    assert "Traceback" not in capsys.readouterr().err
    assert_frame_equal(pl.read_parquet("out/rows.parquet"), rows)


# Files of others under our names


def test_foreign_files_under_the_names_of_parts_are_measured_anew(model: str) -> None:
    assert main(evaluation(model)) == 0
    rows = pl.read_parquet("run/rows.parquet")
    one, other, third, fourth, fifth, *_ = sorted(Path("run/parts").glob("*.parquet"))
    kept = fifth.stat().st_ino
    pl.DataFrame({"x": [1, 2]}).write_parquet(one)
    table = pl.read_parquet(other)
    table.clear().write_parquet(other)
    pl.read_parquet(third).with_columns(correct=~pl.col("correct")).write_parquet(third)
    fourth.write_bytes(b"no table at all")
    Path("run/rows.parquet").unlink()
    assert main(evaluation(model)) == 0
    assert_frame_equal(pl.read_parquet("run/rows.parquet"), rows)
    assert fifth.stat().st_ino == kept
    one.rename("between")  # parts that changed places
    other.rename(one)
    Path("between").rename(other)
    assert main(evaluation(model)) == 0
    assert_frame_equal(pl.read_parquet("run/rows.parquet"), rows)


def test_foreign_rows_of_a_sweep_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "s.yaml", "--out", "out"]) == 0
    rows = icl.sweep_rows("out")
    stored = next(Path("out/store/rows").glob("*.parquet"))
    for table in (pl.DataFrame({"x": [1]}), pl.read_parquet(stored).clear()):
        table.write_parquet(stored)
        assert main(["sweep", "s.yaml", "--out", "out"]) == 0
        assert_frame_equal(icl.sweep_rows("out").drop("seconds"), rows.drop("seconds"))
    pl.DataFrame({"x": [1]}).write_parquet("out/rows.parquet")
    capsys.readouterr()
    for command in ("show", "plot"):
        assert main([command, "out"]) == 2
        one_line(capsys, "rows.parquet")
    with pytest.raises(icl.BadRequest):
        icl.sweep_rows("out")


# Tokenizers


@pytest.mark.parametrize("command", ["evaluate", "select", "prune", "attention"])
def test_a_tokenizer_larger_than_the_embedding_is_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    make_tiny(Path("small"), "gpt2", vocab_size=300)
    made_tokenizer("byte-level").save_pretrained("small")
    capsys.readouterr()
    assert main(["llm", command, "small", "d.csv"]) == 2
    told = one_line(capsys, "300", "small")
    assert "token" in told


def test_a_tokenizer_of_as_many_tokens_as_the_embedding_has_is_read() -> None:
    tokenizer = made_tokenizer("byte-level")
    make_tiny(Path("exact"), "gpt2", vocab_size=len(tokenizer))
    tokenizer.save_pretrained("exact")
    assert main(evaluation("exact")) == 0
