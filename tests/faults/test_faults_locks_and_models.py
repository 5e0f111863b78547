"""File systems without locks, files that are whole or not there, and models that cannot be measured or saved."""

from __future__ import annotations

import errno
import fcntl
import functools
import json
import os
import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import transformers
from language_models.tiny_models import make_tiny, tiny_tokenizer
from polars.testing import assert_frame_equal
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

import iclscope as icl
from iclscope.cli.main import main
from iclscope.core import files

SWEEP = """
base:
  task: {kind: linear_regression, d_X: 2, length: 3}
  model: {kind: linear_attention, d_X: 2}
  training: {loss: squared, optimizer: adam, learning_rate: 0.01, steps: 2, batch_size: 4}
vary: {task.length: [2, 3]}
seeds: 2
tests: {own: {prompts: 16}}
"""
HYBRID = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
OTHER_STATES: dict[str, dict[str, Any]] = {
    "lfm2": {**HYBRID, "layer_types": ["conv", "full_attention"]},
    "minimax": {**HYBRID, "head_dim": 8, "num_local_experts": 2, "layer_types": ["linear_attention", "full_attention"]},
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
    "mamba2": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "state_size": 4,
        "num_heads": 4,
        "head_dim": 16,
        "n_groups": 1,
    },
    "rwkv": {"hidden_size": 32, "num_hidden_layers": 2, "context_length": 128},
    "recurrent_gemma": {**HYBRID, "intermediate_size": 96, "num_hidden_layers": 3, "lru_width": 32},
}


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(SWEEP, encoding="utf-8")
    rows = "".join(f"thing {place},{'ab'[place % 2]}\n" for place in range(40))
    Path("d.csv").write_text("text,label\n" + rows, encoding="utf-8")


# Locks


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP])
def test_without_locks_a_sweep_goes_on_and_says_once_what_is_not_guarded(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "s.yaml", "--out", "whole"]) == 0
    capsys.readouterr()

    def no_lock(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_lock)
    monkeypatch.setattr(fcntl, "lockf", no_lock)
    assert main(["sweep", "s.yaml", "--out", "out"]) == 0
    told = capsys.readouterr()
    assert len([line for line in (told.out + told.err).splitlines() if "lock" in line]) == 1
    assert "Traceback" not in told.err
    same = ("seconds",)
    assert_frame_equal(icl.sweep_rows("out").drop(same), icl.sweep_rows("whole").drop(same))


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_a_language_model_is_measured(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tiny(Path("tiny"), "gpt2")

    def no_lock(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_lock)
    monkeypatch.setattr(fcntl, "lockf", no_lock)
    capsys.readouterr()
    words = ["llm", "evaluate", "tiny", "d.csv", "--shots", "0", "--queries", "4", "--draws", "1", "--out", "run"]
    assert main(words) == 0
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    assert pl.read_parquet("run/rows.parquet").height == 4


def test_another_error_of_a_lock_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", broken)
    monkeypatch.setattr(fcntl, "lockf", broken)
    assert main(["sweep", "s.yaml", "--out", "out"]) in (1, 2)
    told = capsys.readouterr().err
    assert "Input/output error" in told
    assert "Traceback" not in told


# Whole files


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else() -> None:
    file = Path("kept.txt")
    files.write_text(file, "old")

    def interrupted() -> None:
        with files.atomic_write(file) as under:
            under.write_text("half of the n", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in Path().iterdir()) == ["d.csv", "kept.txt", "s.yaml"]


def test_what_is_written_reaches_the_disk_before_it_gets_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    sync, replace = os.fsync, os.replace

    def noted_sync(number: int) -> None:
        order.append("sync")
        sync(number)

    def noted_replace(*names: Any, **options: Any) -> None:
        order.append("replace")
        replace(*names, **options)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    files.write_bytes(Path("new.bin"), b"content")
    assert Path("new.bin").read_bytes() == b"content"
    assert order[:2] == ["sync", "replace"] or (order and order[0] == "sync")


def test_names_of_unfinished_files_do_not_go_by_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)  # as in every container
    names: list[str] = []
    for _ in range(20):
        with files.atomic_write(Path("same.txt")) as under:
            names.append(under.name)
            under.write_text("x", encoding="utf-8")
    assert len(set(names)) == len(names)
    assert all(files.is_temporary(name) for name in names)
    assert not files.is_temporary("same.txt")


def test_two_writers_of_one_name_leave_one_of_both_whole() -> None:
    file = Path("shared.bin")
    contents = [bytes([number]) * 200_000 for number in range(4)]

    def write(content: bytes) -> None:
        for _ in range(5):
            files.write_bytes(file, content)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.read_bytes() in contents
    assert [path.name for path in Path().glob("*shared*")] == ["shared.bin"]


# Models


def made(kind: str, sizes: dict[str, Any]) -> str:
    configs: Any = CONFIG_MAPPING
    models: Any = AutoModelForCausalLM
    config = configs[kind](vocab_size=320, bos_token_id=0, eos_token_id=0, pad_token_id=0, **sizes)
    models.from_config(config).save_pretrained(kind)
    tiny_tokenizer().save_pretrained(kind)
    return kind


@pytest.mark.parametrize("kind", OTHER_STATES)
def test_a_model_that_keeps_another_state_is_refused_in_one_line(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    made(kind, OTHER_STATES[kind])
    for command in ("evaluate", "select", "prune", "attention"):
        capsys.readouterr()
        assert main(["llm", command, kind, "d.csv", "--out", "run"]) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert kind in told
        assert "attention" in told
    assert not Path("run").exists()


def test_a_window_of_attention_keeps_keys_and_values_only(capsys: pytest.CaptureFixture[str]) -> None:
    kind = made("mistral", {**HYBRID, "sliding_window": 8})
    words = ["llm", "evaluate", kind, "d.csv", "--shots", "0,2", "--queries", "4", "--draws", "1", "--out", "run"]
    assert main(words) == 0


@pytest.mark.parametrize(
    "generation",
    [
        {"do_sample": False, "temperature": 0.7},
        {"do_sample": False, "top_p": 0.5},
        {"num_beams": 1, "early_stopping": True},
    ],
    ids=["temperature", "top_p", "early stopping"],
)
def test_a_model_that_cannot_be_saved_is_found_out_before_anything_is_measured(
    generation: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tiny(Path("tiny"), "gpt2")
    settings = json.loads(Path("tiny/generation_config.json").read_text(encoding="utf-8"))
    Path("tiny/generation_config.json").write_text(json.dumps({**settings, **generation}), encoding="utf-8")
    read: list[int] = []
    plain = transformers.GPT2LMHeadModel.forward

    @functools.wraps(plain)
    def forward(self: Any, *args: Any, **options: Any) -> Any:
        read.append(1)
        return plain(self, *args, **options)

    monkeypatch.setattr(transformers.GPT2LMHeadModel, "forward", forward)
    capsys.readouterr()
    words = ["--rates", "0.5", "--score", "random", "--shots", "2", "--queries", "4", "--draws", "1", "--timings", "0"]
    saving = ["--save", "smaller", "--save-rate", "0.5", "--save-score", "random"]
    status = main(["llm", "prune", "tiny", "d.csv", "--out", "run", *words, *saving])
    told = capsys.readouterr().err
    assert "Traceback" not in told
    if status == 0:  # what can be saved after all is there, and loads
        assert AutoModelForCausalLM.from_pretrained("smaller").config.n_inner is not None
    else:
        assert status == 2
        assert told.count("\n") == 1
        assert "--save" in told
        assert len(read) <= 4
        assert not Path("run").exists()
        assert not Path("smaller").exists()
        assert main(["llm", "prune", "tiny", "d.csv", "--out", "run", *words]) == 0
