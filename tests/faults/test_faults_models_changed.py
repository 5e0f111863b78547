"""A model that was changed is another model, whatever it is called, and results are not mixed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from language_models.tiny_models import make_tiny, make_tiny_gguf
from safetensors.torch import load_file, save_file

import iclscope as icl
from iclscope.cli.main import main

ROWS = [("horse", "animal"), ("wolf", "animal"), ("bread", "food"), ("soup", "food"), ("a film", "food")]
ASKED: dict[str, Any] = {"shots": 1, "queries": 2, "draws": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("texts") / "texts.csv"
    pl.DataFrame(ROWS, schema=["text", "label"], orient="row").write_csv(file)
    return file


@pytest.fixture(scope="module")
def measured(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, ``tiny``, and what was measured on it, ``out``."""
    folder = tmp_path_factory.mktemp("measured")
    make_tiny(folder / "tiny", "llama", num_hidden_layers=1)
    icl.language_models.evaluate(folder / "tiny", data, out=folder / "out", **ASKED)
    return folder


@pytest.fixture
def own(measured: Path, tmp_path: Path) -> Path:
    """A copy of both, to be changed."""
    shutil.copytree(measured, tmp_path / "own")
    return tmp_path / "own"


def keeping_times(file: Path, change: Callable[[], None]) -> None:
    """Change a file so that its size and its time of change stay."""
    before = file.stat()
    change()
    assert file.stat().st_size == before.st_size
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def move(file: Path, to: Path) -> None:
    file.replace(to)


def write_over(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def edit_json(file: Path, **changes: Any) -> None:
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, **changes}, indent=2))


def change_weight(name: str, index: tuple[int, ...]) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        file = model / "model.safetensors"

        def write() -> None:
            weights = load_file(file)
            weights[name][index] += 0.5
            save_file(weights, file, metadata={"format": "pt"})

        keeping_times(file, write)

    return change


def flip_the_last_bit(model: Path) -> None:
    file = model / "model.safetensors"

    def write() -> None:
        content = bytearray(file.read_bytes())
        content[-4] ^= 1
        with file.open("r+b") as opened:
            opened.write(content)

    keeping_times(file, write)


def put_another_in_its_place(model: Path) -> None:
    """As a download tool does: a new file under the old name, with the old time."""
    file = model / "model.safetensors"
    other = make_tiny(model.parent / "other", "llama", num_hidden_layers=1, seed=9) / "model.safetensors"
    keeping_times(file, partial(move, other, file))


def swap_two_tokens(model: Path) -> None:
    file = model / "tokenizer.json"

    def write() -> None:
        content = json.loads(file.read_text())
        vocabulary = content["model"]["vocab"]
        vocabulary["a"], vocabulary["o"] = vocabulary["o"], vocabulary["a"]
        file.write_text(json.dumps(content, indent=2, ensure_ascii=False))

    before = file.stat()
    write()
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def drop_a_merge(model: Path) -> None:
    content = json.loads((model / "tokenizer.json").read_text())
    content["model"]["merges"] = content["model"]["merges"][:-1]
    (model / "tokenizer.json").write_text(json.dumps(content))


def lower_all_texts(model: Path) -> None:
    edit_json(model / "tokenizer.json", normalizer={"type": "Lowercase"})


def give_a_chat_template(model: Path) -> None:
    (model / "chat_template.jinja").write_text("{{ messages }}")


def rename_the_beginning(model: Path) -> None:
    edit_json(model / "tokenizer_config.json", bos_token="!")


CHANGES: dict[str, Callable[[Path], None]] = {
    "the last entry of a matrix": change_weight("model.layers.0.mlp.down_proj.weight", (-1, -1)),
    "an entry in the middle": change_weight("model.layers.0.self_attn.v_proj.weight", (3, 17)),
    "an entry of the embedding": change_weight("model.embed_tokens.weight", (100, 31)),
    "an entry of a norm": change_weight("model.norm.weight", (-1,)),
    "the last bit": flip_the_last_bit,
    "all weights, by a file of the same size and time": put_another_in_its_place,
    "two tokens": swap_two_tokens,
    "a merge": drop_a_merge,
    "the normalizer": lower_all_texts,
    "the chat template": give_a_chat_template,
    "the beginning": rename_the_beginning,
    "an epsilon": lambda model: edit_json(model / "config.json", rms_norm_eps=0.3),
}


@pytest.mark.parametrize("what", CHANGES)
def test_rows_of_a_model_before_a_change_are_not_given_for_it_afterwards(
    own: Path, data: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = (own / "out" / "rows.parquet").read_bytes()
    CHANGES[what](own / "tiny")
    capsys.readouterr()
    asked = ["llm", "evaluate", str(own / "tiny"), str(data), "--shots", "1", "--queries", "2", "--draws", "1"]
    assert main([*asked, "--out", str(own / "out")]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "Loading" not in line]
    assert str(own / "out") in line
    assert (own / "out" / "rows.parquet").read_bytes() == kept


def test_what_is_measured_anew_is_that_of_the_changed_model(own: Path, data: Path) -> None:
    old = pl.read_parquet((own / "out" / "rows.parquet").read_bytes())
    put_another_in_its_place(own / "tiny")
    new = icl.language_models.evaluate(own / "tiny", data, out=own / "out", force=True, **ASKED).rows
    plain = icl.language_models.evaluate(own / "tiny", data, out=own / "elsewhere", **ASKED).rows
    assert new["score_sum"].to_list() == plain["score_sum"].to_list() != old["score_sum"].to_list()


def test_another_type_of_numbers_is_another_measurement(own: Path, data: Path) -> None:
    source = icl.language_models.ModelSource(name=str(own / "tiny"), dtype="bfloat16")
    with pytest.raises(icl.BadRequest):
        icl.language_models.evaluate(source, data, out=own / "out", **ASKED)
    (own / "out" / "rows.parquet").unlink()
    named = icl.language_models.ModelSource(name=str(own / "tiny"), dtype="float32", device="cpu")
    icl.language_models.evaluate(named, data, out=own / "out", **ASKED)  # which is what auto means here


def test_a_change_between_two_runs_of_one_process_is_seen_each_time(own: Path, data: Path) -> None:
    """A hash that is remembered by size and time alone would be that of the first."""
    found = []
    for step in range(3):
        change_weight("model.layers.0.mlp.up_proj.weight", (step, step))(own / "tiny")
        icl.language_models.evaluate(own / "tiny", data, out=own / str(step), **ASKED)
        found.append(json.loads((own / str(step) / "run.json").read_text())["settings"]["model"]["weights"])
    assert len(set(found)) == 3


@pytest.mark.parametrize("part", [0, -1])
def test_every_shard_counts(own: Path, data: Path, part: int) -> None:
    model = own / "sharded"
    shutil.copytree(own / "tiny", model)
    weights = load_file(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    names = sorted(weights)
    index: dict[str, str] = {}
    for number, some in enumerate((names[:4], names[4:])):
        shard = f"model-0000{number + 1}-of-00002.safetensors"
        save_file({name: weights[name] for name in some}, model / shard, metadata={"format": "pt"})
        index |= dict.fromkeys(some, shard)
    (model / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    icl.language_models.evaluate(model, data, out=own / "of-shards", **ASKED)
    file = sorted(model.glob("model-*.safetensors"))[part]
    some_weights = load_file(file)
    last = sorted(some_weights)[-1]
    some_weights[last].view(-1)[-1] += 1
    save_file(some_weights, file, metadata={"format": "pt"})
    with pytest.raises(icl.BadRequest):
        icl.language_models.evaluate(model, data, out=own / "of-shards", **ASKED)


def test_a_changed_gguf_file_is_another_model(data: Path, tmp_path: Path) -> None:
    file = make_tiny_gguf(tmp_path / "tiny.gguf", seed=0)
    icl.language_models.evaluate(file, data, out=tmp_path / "out", **ASKED)
    other = make_tiny_gguf(tmp_path / "other.gguf", seed=1).read_bytes()
    keeping_times(file, partial(write_over, file, other))
    with pytest.raises(icl.BadRequest):
        icl.language_models.evaluate(file, data, out=tmp_path / "out", **ASKED)


@pytest.mark.parametrize("how", ["untouched", "copied", "renamed", "touched", "with another README", "written anew"])
def test_the_same_model_goes_on_where_it_was(own: Path, data: Path, how: str) -> None:
    model = own / "tiny"
    parts = {file.name: file.stat().st_mtime_ns for file in (own / "out" / "parts").iterdir()}
    if how == "copied":
        model = Path(shutil.copytree(model, own / "another-place" / "tiny"))
    elif how == "renamed":
        model = model.rename(own / "another-name")
    elif how == "touched":
        os.utime(model / "model.safetensors")
    elif how == "with another README":
        (model / "README.md").write_text("# Tiny\n")
    elif how == "written anew":
        shutil.copyfile(model / "model.safetensors", model / "new")
        (model / "new").replace(model / "model.safetensors")
    icl.language_models.evaluate(model, data, out=own / "out", **ASKED)
    assert {file.name: file.stat().st_mtime_ns for file in (own / "out" / "parts").iterdir()} == parts != {}


def test_changed_texts_of_the_same_name_are_not_given_the_old_rows(own: Path, tmp_path: Path) -> None:
    for rows in (ROWS, [(text, "food" if label == "animal" else "animal") for text, label in ROWS]):
        pl.DataFrame(rows, schema=["text", "label"], orient="row").write_csv(tmp_path / "texts.csv")
        if rows is ROWS:
            icl.language_models.evaluate(own / "tiny", tmp_path / "texts.csv", out=own / "mine", **ASKED)
    with pytest.raises(icl.BadRequest):
        icl.language_models.evaluate(own / "tiny", tmp_path / "texts.csv", out=own / "mine", **ASKED)


def test_a_changed_model_is_not_pruned_by_the_old_scores(own: Path, data: Path) -> None:
    settings = icl.language_models.PruneSettings(
        rates=(0.5,), scores=("magnitude",), shots=1, prompts=1, texts=1, timings=1
    )
    asked: dict[str, Any] = {"settings": settings, "queries": 2, "draws": 1, "out": own / "pruned"}
    icl.language_models.measure_pruning(own / "tiny", data, **asked)
    flip_the_last_bit(own / "tiny")
    with pytest.raises(icl.BadRequest):
        icl.language_models.measure_pruning(own / "tiny", data, **asked)


def test_the_type_of_the_weights_in_the_file_decides_too(own: Path, data: Path) -> None:
    file = own / "tiny" / "model.safetensors"
    save_file({name: weights.to(torch.bfloat16) for name, weights in load_file(file).items()}, file, {"format": "pt"})
    with pytest.raises(icl.BadRequest):
        icl.language_models.evaluate(own / "tiny", data, out=own / "out", **ASKED)
