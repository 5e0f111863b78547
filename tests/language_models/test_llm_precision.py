"""bfloat16 where it is native, with a sample in float32 beside it; what a folder began with it keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from iclscope import language_models
from iclscope.language_models.models import precision
from iclscope.language_models.models.loading import LanguageModel, load_language_model
from iclscope.language_models.prompts.precision import Agreement, agreement, sample
from iclscope.language_models.prompts.prepared import Prepared, prepare
from iclscope.language_models.settings import ModelSource, TextMeasurement

pytestmark = pytest.mark.usefixtures("figures_are_not_drawn")


def native(patch: pytest.MonkeyPatch, *, there: bool) -> None:
    """A processor that multiplies in bfloat16, or does not."""
    patch.setattr(precision, "NATIVE", ("avx512_bf16",))
    patch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": there}, raising=False)


@pytest.mark.parametrize("there", [False, True])
def test_the_processor_decides(there: bool, monkeypatch: pytest.MonkeyPatch, tiny_llama_folder: Path) -> None:
    native(monkeypatch, there=there)
    expected = torch.bfloat16 if there else torch.float32
    assert load_language_model(str(tiny_llama_folder)).model.dtype == expected
    for dtype in ("float32", "bfloat16"):
        source = ModelSource(name=str(tiny_llama_folder), dtype=dtype)
        assert load_language_model(source).model.dtype == getattr(torch, dtype)


def made(changed: int, prompts: int = 100) -> Agreement:
    return Agreement(prompts, changed, 0, 0.2, 0.01)


def test_more_than_one_answer_in_a_hundred_is_too_many() -> None:
    assert [made(changed).is_enough for changed in (0, 1, 2)] == [True, True, False]
    assert not made(1, prompts=40).is_enough
    assert not made(0)._replace(changed_calibrated=3).is_enough
    assert "the run is in bfloat16" in made(1).note
    assert "3 answers differ, 0 after calibration: more than 1 %, so the run is in float32" in made(3).note


@pytest.mark.parametrize("changed", [0, 2])
def test_a_run_goes_on_in_what_was_found_and_a_folder_keeps_it(
    changed: int, monkeypatch: pytest.MonkeyPatch, tiny_llama_folder: Path, tmp_path: Path
) -> None:
    native(monkeypatch, there=True)
    counted: list[int] = []

    def read(*_: Any) -> Agreement:
        counted.append(1)
        return made(changed)

    monkeypatch.setattr("iclscope.language_models.prompts.prepared.agreement", read)
    asked: dict[str, Any] = {"shots": (0, 2), "queries": 4, "draws": 1, "out": tmp_path / "out"}
    done = language_models.evaluate(str(tiny_llama_folder), **asked)
    dtype = "bfloat16" if changed == 0 else "float32"
    noted = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert noted["settings"]["dtype"] == dtype
    assert noted["precision"] == made(changed)._asdict()
    assert made(changed).note in done.notes
    native(monkeypatch, there=False)  # as on another machine
    again = language_models.evaluate(str(tiny_llama_folder), **asked)
    assert counted == [1]
    assert again.rows.equals(done.rows)
    noted = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert (noted["settings"]["dtype"], noted["precision"]) == (dtype, made(changed)._asdict())


def test_no_sample_where_the_type_was_asked_for(monkeypatch: pytest.MonkeyPatch, tiny_llama_folder: Path) -> None:
    native(monkeypatch, there=True)
    source = ModelSource(name=str(tiny_llama_folder), dtype="bfloat16")
    assert prepare(TextMeasurement(model=source, queries=4)).agreement is None


@pytest.fixture(scope="module")
def asked(tiny_llama_folder: Path) -> Prepared:
    return prepare(TextMeasurement(model=ModelSource(name=str(tiny_llama_folder), dtype="float32"), queries=4))


def test_the_sample_is_of_texts_that_are_neither_shown_nor_asked(asked: Prepared, tiny_llama: LanguageModel) -> None:
    group = sample(tiny_llama, asked.sampled, asked.format, 0)
    assert len(group.queries) == 103
    assert group.prefix.count("Label:") == 8
    shown = {line.removeprefix("Text: ") for line in group.prefix.splitlines() if line.startswith("Text: ")}
    texts = {query.splitlines()[0].removeprefix("Text: ") for query in group.queries[:100]}
    assert not shown & texts
    assert not texts & set(asked.sampled.queries.texts)


def test_prompts_that_do_not_fit_have_fewer_demonstrations(asked: Prepared, tiny_llama: LanguageModel) -> None:
    short = LanguageModel(tiny_llama.model, tiny_llama.tokenizer, tiny_llama.source, "short", 64)
    group = sample(short, asked.sampled, asked.format, 0)
    assert 0 < group.prefix.count("Label:") < 8


def test_a_model_agrees_with_itself_and_not_with_another(
    asked: Prepared, tiny_llama_folder: Path, tiny_llama: LanguageModel
) -> None:
    same = agreement(tiny_llama, tiny_llama, asked.sampled, asked.format, 0)
    assert same == Agreement(100, 0, 0, 0.0, 0.0)
    small = load_language_model(ModelSource(name=str(tiny_llama_folder), dtype="bfloat16"))
    found = agreement(small, tiny_llama, asked.sampled, asked.format, 0)
    assert 0 < found.median < found.largest
