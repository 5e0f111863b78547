"""What is printed of a measurement, and what is said to whoever gives a model that was not saved."""

from __future__ import annotations

import polars as pl
import pytest

import iclscope as icl
from iclscope.core.errors import BadRequest
from iclscope.language_models.measurement import MeasurementResult
from iclscope.language_models.requests import text_measurement
from iclscope.study.pages.page import TextTable


class InMemory:
    """What transformers' models and tokenizers have in common."""

    def save_pretrained(self, folder: str) -> None:
        """Written by nobody here."""


def test_a_result_prints_tables_and_notes_and_no_rows() -> None:
    table = TextTable("Accuracies", "In per cent.", ("shots", "accuracy"), [("0", "30.0"), ("16", "100.0")])
    found = MeasurementResult(pl.DataFrame({"secret": [1]}), [], [table], ["A note."], {})
    assert str(found) == "Accuracies\n shots  accuracy\n 0      30.0\n 16     100.0\n\nA note."


def test_a_long_table_is_cut_with_the_number_of_what_is_left() -> None:
    lines = str(TextTable("Many", "", ("place",), [(str(place),) for place in range(23)])).splitlines()
    assert lines[:2] == ["Many", " place"]
    assert lines[-2:] == [" 19", " … and 3 more rows"]
    assert str(TextTable("None", "", ("place",), [])) == "None\n place"


@pytest.mark.parametrize("model", [InMemory(), (InMemory(), InMemory())], ids=["model", "with tokenizer"])
def test_a_model_that_was_not_saved_is_told_what_to_do(model: object) -> None:
    told = (
        r"^MODEL: expected a hub name, .* from load\(\), got .*; write it and its tokenizer into a folder with save_pre"
    )
    with pytest.raises(BadRequest, match=told):
        text_measurement(model, "words", {})


def test_the_options_of_texts_are_public() -> None:
    assert "queries" in icl.language_models.TextOptions.__annotations__
