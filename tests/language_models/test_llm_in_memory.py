"""Language models from a notebook: loaded, asked, pruned and shown demonstrations in memory; nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from language_models.plain_scoring import plain_scores

import iclscope as icl
from iclscope.core.errors import BadRequest
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.models.mlp_layout import mlp_layout
from iclscope.language_models.selectors import choose

llm = icl.language_models
POOL = pl.DataFrame(
    {
        "text": [f"{animal} number {i}" for i in range(12) for animal in ("a dog", "a stone")],
        "label": ["alive", "not"] * 12,
    }
)
FEW: dict[str, Any] = {"queries": 4, "draws": 2}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which must stay empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_model_is_loaded_and_asked(tiny_folder: Path, elsewhere: Path) -> None:
    model = llm.load(tiny_folder, device="cpu")
    assert repr(model).startswith(f"LanguageModel({tiny_folder.name!r}, ")
    prompts, answers = ["a dog", "a stone"], [" alive", " not"]
    found = model.score(prompts, answers)
    np.testing.assert_allclose(found, plain_scores(model, prompts, answers), rtol=1e-4)
    np.testing.assert_allclose(llm.score(model, prompts[0], answers), found[:1], rtol=1e-6)
    assert list(elsewhere.iterdir()) == []


def test_no_prompt_is_refused(tiny_llama: LanguageModel) -> None:
    with pytest.raises(BadRequest, match="prompts: expected a text"):
        tiny_llama.score([], [" a"])


def test_a_loaded_model_is_evaluated_as_one_that_is_named(
    tiny_llama: LanguageModel, tiny_llama_folder: Path, elsewhere: Path
) -> None:
    ours = tiny_llama.evaluate(POOL, shots=(0, 2), **FEW)
    named = llm.evaluate(tiny_llama_folder, POOL.to_arrow(), shots=(0, 2), out=elsewhere / "out", **FEW)
    assert ours.rows.equals(named.rows)
    assert [one.verdict for one in ours.claims] == [one.verdict for one in named.claims]
    assert [path.name for path in elsewhere.iterdir()] == ["out"]
    with pytest.raises(BadRequest, match="force: expected False without out"):
        tiny_llama.evaluate(POOL, force=True, **FEW)


def test_a_smaller_model_is_made_in_memory_and_asked(tiny_llama: LanguageModel, elsewhere: Path) -> None:
    before = {name: weight.clone() for name, weight in tiny_llama.model.state_dict().items()}
    width = mlp_layout(tiny_llama).width
    smaller = llm.prune(tiny_llama, POOL, score="magnitude", rate=0.5)
    assert mlp_layout(smaller).width == width // 2
    torch.testing.assert_close(dict(tiny_llama.model.state_dict()), before, rtol=0, atol=0)
    by_activity = llm.prune(tiny_llama, POOL, rate=0.25, prompts=2, shots=2)
    assert mlp_layout(by_activity).width == width - width // 4
    assert by_activity.evaluate(POOL, shots=1, **FEW).rows.height > 0
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("selector", ["random", "balanced", "similarity", "pattern"])
def test_demonstrations_are_chosen_for_queries(selector: Any, tiny_llama: LanguageModel) -> None:
    queries = ["a dog that barks", "a stone that rolls"]
    chosen = llm.select(tiny_llama, POOL, queries, selector=selector, shots=2, options=llm.SelectorOptions(patterns=2))
    assert chosen.columns == ["query", "rank", "text", "label"]
    assert chosen["query"].to_list() == [query for query in queries for _ in range(2)]
    assert set(chosen["text"]) <= set(POOL["text"])
    again = llm.select(
        tiny_llama, POOL, queries[:1], selector=selector, shots=2, options=llm.SelectorOptions(patterns=2)
    )
    assert selector == "pattern" or again.equals(chosen.head(2))


def test_the_nearest_demonstration_is_the_one_of_the_selector(tiny_llama: LanguageModel) -> None:
    chosen = llm.select(tiny_llama, POOL, POOL["text"][4], selector="bm25", shots=1)
    assert chosen.height == 1
    assert callable(choose)


def test_the_names_of_before_work_with_a_warning(tiny_llama: LanguageModel) -> None:
    settings = llm.PruneSettings(rates=0.5, scores="magnitude", shots=2, prompts=1, texts=1, timings=0)
    with pytest.warns(DeprecationWarning, match=r"use measure_pruning"):
        old = llm.prune(tiny_llama, POOL, settings=settings, **FEW)
    assert old.rows.answers.equals(llm.measure_pruning(tiny_llama, POOL, settings=settings, **FEW).rows.answers)
    with pytest.warns(DeprecationWarning, match=r"use compare_selectors"):
        compared = llm.select(tiny_llama, POOL, selectors="random", shots=2, **FEW)
    assert set(compared.rows["selector"]) == {"random"}


def test_progress_is_told_or_shown(tiny_llama: LanguageModel, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[tuple[int, int]] = []
    tiny_llama.evaluate(POOL, shots=1, progress=lambda read, total: told.append((read, total)), **FEW)
    assert told[-1][0] == told[-1][1] > 0
    assert capsys.readouterr().err == ""
    tiny_llama.evaluate(POOL, shots=1, progress=True, **FEW)
    assert "prompts" in capsys.readouterr().err
