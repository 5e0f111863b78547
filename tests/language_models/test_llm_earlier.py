"""A folder that version 0.3.0 left behind is read, and its model is not asked again.

`made_by_0_3_0/` was made before the package was laid out in rooms (commit e303e87, which calls itself 0.3.0; the
release had no measurements on language models): ``language_models.evaluate`` with the arguments below, of
``make_tiny(…, "gpt2")``; only its note and its parts are kept. Folders of before that (layout 1) are refused
(test_llm_fingerprint.py).
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from language_models.tiny_models import make_tiny

from iclscope import language_models
from iclscope.core.errors import BadRequest
from iclscope.language_models.prompts import prepared

MADE = Path(__file__).with_name("made_by_0_3_0")
NOTED = json.loads((MADE / "run.json").read_text(encoding="utf-8"))["settings"]
ASKED: dict[str, Any] = {"shots": (0, 1), "queries": 2, "draws": 1, "seed": 0}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model that takes itself for the one of then: random weights may be others with another torch."""
    of_then = {name: value for name, value in NOTED["model"].items() if name != "name"}
    monkeypatch.setattr(prepared, "model_fingerprint", lambda _: of_then)
    return str(make_tiny(tmp_path / "tiny-gpt2", "gpt2"))


def test_finished_parts_are_served(model: str, tmp_path: Path) -> None:
    out = Path(shutil.copytree(MADE, tmp_path / "out"))
    parts = sorted((out / "parts").iterdir())
    for path in parts:
        os.utime(path, ns=(0, 0))
    done = language_models.evaluate(model, out=out, **ASKED)
    assert sorted((out / "parts").iterdir()) == parts
    assert [path.stat().st_mtime_ns for path in parts] == [0, 0, 0], "none was written again"
    assert done.rows.height == sum(pl.read_parquet(path).height for path in parts)


def test_other_settings_are_refused_as_ever(model: str, tmp_path: Path) -> None:
    out = Path(shutil.copytree(MADE, tmp_path / "out"))
    with pytest.raises(BadRequest, match="it has another seed"):
        language_models.evaluate(model, out=out, **ASKED | {"seed": 1})
