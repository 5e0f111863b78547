"""The page of JSON schemas: what claims.json holds, and the settings of every task, model and training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from iclscope.core.registry import MODELS, TASKS
from iclscope.core.settings_text import without_settings
from iclscope.training.trial import Evaluation, Training


def configs() -> dict[str, type[BaseModel]]:
    """Every config by its kind."""
    tasks = {f"task {name}": kind for name, kind in TASKS.all()}
    models = {f"model {name}": kind.config_type for name, kind in MODELS.all()}
    return {**tasks, **models, "training": Training, "evaluation": Evaluation}


def schema(config: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a config."""
    made = config.model_json_schema()
    for part in (made, *made.get("$defs", {}).values()):
        if "description" in part:
            part["description"] = without_settings(part["description"])  # the fields stand below, each with its own
    return made


def pages(docs: Path) -> dict[str, str]:
    """One page with all schemas."""
    claims = (docs / "schemas" / "claims.schema.json").read_text(encoding="utf-8")
    parts = [
        "# JSON schemas\n",
        "What iclscope writes as JSON can be read without iclscope. `claims.json` stands in every folder of results; "
        "the test suite holds that what is written is what this schema says.\n",
        f"## claims.json\n\n```json\n{claims.strip()}\n```\n",
        "The settings below stand in `run.json`, in checkpoints, and in sweep files under `task`, `model`, `training` "
        "and `tests`; they are made from the classes themselves.\n",
    ]
    for name, config in configs().items():
        text = json.dumps(schema(config), indent=2, ensure_ascii=False)
        parts.append(f"## {name}\n\n```json\n{text}\n```\n")
    return {"schemas.md": "\n".join(parts)}
