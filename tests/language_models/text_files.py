"""Small files of texts, written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iclscope.core.errors import BadRequest
from iclscope.language_models.texts.labelled_text import LabelledTexts, load_task

ROWS = (("a b", "x"), ("c d", "y"))
POOL = LabelledTexts(("a b", "c d"), ("x", "y"))


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def json_lines(path: Path, *rows: object) -> Path:
    return written(path, "".join(json.dumps(row) + "\n" for row in rows))


def refusal(data: Path | str, **settings: Any) -> str:
    with pytest.raises(BadRequest) as refused:
        load_task(data, **settings)
    told = str(refused.value)
    assert "\n" not in told
    return told


CSV, TSV, JSONL = (
    "text,label\na b,x\nc d,y\n",
    "text\tlabel\na b\tx\nc d\ty\n",
    '{"text":"a b","label":"x"}\n{"text":"c d","label":"y"}\n',
)
CONTENTS = {"csv": CSV, "tsv": TSV, "jsonl": JSONL}
