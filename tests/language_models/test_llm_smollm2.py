"""All four measurements on SmolLM2-135M-Instruct, which `make smollm2` fetches and this file alone opens, once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from language_models.harness import compare_with_the_harness
from transformers import AutoModelForCausalLM

from iclscope.language_models.evaluation.measurement import Evaluation
from iclscope.language_models.evaluation.rows import AS_GIVEN, accuracy_table
from iclscope.language_models.heads.measurement import Attention
from iclscope.language_models.measurement import measure
from iclscope.language_models.models.loading import LanguageModel
from iclscope.language_models.prompts.prepared import Prepared, prepare
from iclscope.language_models.prompts.tokens import encode_texts
from iclscope.language_models.pruning.cost import weight_bytes
from iclscope.language_models.pruning.measurement import Pruning
from iclscope.language_models.pruning.neuron_scores import activity
from iclscope.language_models.pruning.pruned import pruned_model, save_checkpoint, without_neurons
from iclscope.language_models.run_folder import RunFolder
from iclscope.language_models.selection.measurement import Selection
from iclscope.language_models.settings import (
    AttentionSettings,
    EvaluateSettings,
    ModelSource,
    PruneSettings,
    SelectorOptions,
    SelectSettings,
    TextMeasurement,
)
from iclscope.pruning import kept_neurons

GGUF = "ICLSCOPE_SMOLLM2"
"""The environment variable with the path of the GGUF file."""

pytestmark = [pytest.mark.smollm2, pytest.mark.slow]


@pytest.fixture(scope="module")
def asked() -> Prepared:
    """Twenty queries of the words that come with iclscope."""
    path = os.environ.get(GGUF, "")
    if not path:
        pytest.skip(f"{GGUF} does not say where SmolLM2 is; make smollm2 fetches it")
    return prepare(TextMeasurement(model=ModelSource(name=path), queries=20, draws=2))


@pytest.fixture(scope="module")
def few(asked: Prepared) -> Prepared:
    """Six of them."""
    return asked._replace(sampled=asked.sampled._replace(queries=asked.sampled.queries.at(range(6))))


@pytest.fixture
def smollm2(asked: Prepared) -> LanguageModel:
    """The model, in float32 on the CPU."""
    return asked.language_model


@pytest.fixture
def folder(asked: Prepared, tmp_path: Path) -> RunFolder:
    """For results."""
    return RunFolder(tmp_path / "results", asked.noted())


def verdicts(folder: RunFolder) -> dict[str, str]:
    """What the folder says of every claim."""
    found = json.loads((folder.path / "claims.json").read_text(encoding="utf-8"))
    return {claim["id"]: claim["verdict"] for claim in found}


def test_gguf_is_loaded_as_what_it_is(smollm2: LanguageModel) -> None:
    assert smollm2.kind == "llama"
    assert smollm2.context_length == 8192
    assert smollm2.name == "SmolLM2-135M-Instruct.Q4_1"


def test_it_learns_the_words_in_context(asked: Prepared, folder: RunFolder) -> None:
    done = measure(Evaluation(asked, EvaluateSettings(shots=(10,), selectors=("balanced",)), folder))
    table = accuracy_table(done.rows.filter(pl.col("arm") == AS_GIVEN))
    assert table["accuracy"][0] > 0.5


@pytest.mark.filterwarnings("ignore")  # importing the harness warns of what it brings along
def test_it_answers_as_in_the_harness(asked: Prepared) -> None:
    assert compare_with_the_harness(asked, 5e-3) > 0.5


def test_selectors_that_look_at_the_query_find_more_of_its_pattern(few: Prepared, folder: RunFolder) -> None:
    options = SelectorOptions(patterns=5, candidates=80)
    settings = SelectSettings(shots=(5,), selectors=("balanced", "similarity", "pattern"), options=options)
    done = measure(Selection(few, settings, folder, explain=1))
    given = done.rows.filter(pl.col("arm") == AS_GIVEN).group_by("selector").agg(pl.col("alpha").mean())
    alpha = dict(given.iter_rows())
    assert alpha["pattern"] > alpha["balanced"]
    assert alpha["similarity"] > alpha["balanced"]
    assert set(verdicts(folder)) == {"select-pattern", "select-alpha"}
    assert done.explained


def test_the_papers_rule_harms_it_more_than_weighing_by_activity(few: Prepared, folder: RunFolder) -> None:
    settings = PruneSettings(rates=(0.2,), scores=("magnitude", "activation"), shots=5, prompts=4, texts=4, timings=0)
    done = measure(Pruning(few, settings, folder))
    surprise = {point.score: point.nll.value for point in done.points}
    assert surprise["activation"] < surprise["none"] + 0.4
    assert surprise["magnitude"] > surprise["none"] + 2


def test_every_head_is_measured(asked: Prepared, folder: RunFolder) -> None:
    done = measure(Attention(asked, AttentionSettings(shots=5), folder))
    heads = done.heads.select("layer", "head").unique()
    assert len(heads) == 30 * 9
    assert set(verdicts(folder)) == {claim.claim.id for claim in done.claims}


def test_a_pruned_checkpoint_reloads_and_agrees_with_masked(smollm2: LanguageModel, tmp_path: Path) -> None:
    tokens = encode_texts(smollm2, ["Review: a good film\nSentiment: positive", "Review: bad\nSentiment:"])

    def logits(model: Any) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = model(input_ids=torch.tensor(tokens[:1])).logits
        return found

    kept = kept_neurons(activity(smollm2, tokens), 0.1, "smallest")
    with without_neurons(smollm2, kept):
        masked = logits(smollm2.model)
    size = save_checkpoint(pruned_model(smollm2, kept), tmp_path / "pruned")
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "pruned").eval()
    torch.testing.assert_close(logits(loaded), masked, rtol=1e-3, atol=1e-3)
    assert loaded.config.intermediate_size == 1536 - 154
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
    assert size < weight_bytes(smollm2)
