"""llms.txt: what language models are given to read about iclscope (https://llmstxt.org), one line per page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

SUMMARY = (
    "# iclscope\n\n"
    "> Theories of in-context learning next to trained transformers: a Python library and command line. Name a paper "
    "and it trains the models, redraws the figures and judges every claim with an interval and a control. The same "
    "code answers questions of your own, over one setting or thousands, and measures on Hugging Face language models "
    "whether the theory's advice helps.\n\n"
    "Install with `pip install .` in a clone (`.[llm]` for language models). `iclscope list` shows what there is; "
    "`import iclscope as icl` is the library.\n"
)


def first_sentence(text: str) -> str:
    """The first sentence of prose of a page in Markdown, without its marks."""
    body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    for block in re.split(r"\n\s*\n", body):
        plain = " ".join(block.split())
        if plain and not plain.startswith(("#", "(", "```", ":::", "|", "<", "![", "*", "{")):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", plain).replace("`", "")
            return re.split(r"(?<=[.!?:])\s", plain)[0]
    return ""


def write_llms_text(app: Any, failure: Exception | None) -> None:
    """Write llms.txt beside the pages."""
    if failure is not None or app.builder.format != "html":
        return
    lines = [SUMMARY, "## Pages\n"]
    for name in sorted(app.env.found_docs):
        title = app.env.titles[name].astext()
        text = Path(app.env.doc2path(name)).read_text(encoding="utf-8")
        told = first_sentence(text)
        lines.append(f"- [{title}]({app.builder.get_target_uri(name)})" + (f": {told}" if told else ""))
    (Path(app.outdir) / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
