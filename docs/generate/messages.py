"""The page of error messages: every one is read out of the code, its cause and cure out of docs/messages.toml.

A family of messages is what a few files say: an option that is out of range, a data file that cannot be read. A message
has an anchor of its own, made from its words, so that others can link to it.
"""

from __future__ import annotations

import ast
import hashlib
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

OPEN = "…"
"""Stands for what differs from one occurrence to the next."""

EXPECTED = {"require": 1, "refused": 0, "refusal": 0, "unknown": 0}
"""Functions that say "OPTION: expected …, got …", and which argument names the option."""
PLAIN = ("BadRequest", "StorageFailed", "ClusterFailed", "JobsFailed", "Unreadable", "Notice")
"""Errors and notices that are raised with their whole text."""
REASON = ("refused", "_refusal", "_refused", "_unreadable")
"""Functions and methods of a file's own that put a reason, their last argument, behind the name of what is refused."""


class Message(NamedTuple):
    """One message of the code.

    Attributes:
        text: its words, with `OPEN` for what differs.
        file: where it is said, relative to the repository.
        line: on which line.
    """

    text: str
    file: str
    line: int

    @property
    def anchor(self) -> str:
        """A name that stays as long as the words do."""
        words = re.sub(r"[^a-z0-9]+", "-", self.text.lower()).strip("-")[:48].rstrip("-")
        return f"message-{words}-{hashlib.sha256(self.text.encode()).hexdigest()[:6]}"


def words_of(node: ast.AST, constants: dict[str, str]) -> str:
    """The text of an expression, as far as it is fixed."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        return constants.get(node.id, OPEN)
    if isinstance(node, ast.JoinedStr):
        return "".join(words_of(part, constants) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return words_of(node.value, constants) if isinstance(node.value, ast.Name) else OPEN
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return words_of(node.left, constants) + words_of(node.right, constants)
    return OPEN


def texts_of(tree: ast.AST) -> dict[str, str]:
    """Names that are given one fixed text in a module, and nothing else."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            value = node.value
            text = value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else OPEN
            found.setdefault(node.targets[0].id, set()).add(text)
    return {name: next(iter(texts)) for name, texts in found.items() if len(texts) == 1}


def message_of(call: ast.Call, constants: dict[str, str]) -> str | None:
    """What a call says; None for a call of anything else, and for one that only hands on another's words."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    said = [words_of(argument, constants) for argument in call.args]
    if name in PLAIN and said:
        text = said[0]
    elif name == "unusable" and len(said) >= 3:
        text = f"{said[0]} = {OPEN}: {said[2]}"
    elif name in REASON and 0 < len(said) < 3 + EXPECTED.get(name, 0):
        text = said[-1]
    elif name in EXPECTED and len(said) >= 3 + EXPECTED[name]:
        first = EXPECTED[name]
        wanted = f"one of {OPEN}" if name == "unknown" else said[first + 2]
        expected, _, reason = wanted.partition("; ")
        text = f"{said[first]}: expected {expected}, got {OPEN}" + (f"; {reason}" if reason else "")
    else:
        return None
    text = re.sub(rf"{OPEN}(?:\s*{OPEN})+", OPEN, " ".join(text.split()))
    return text if re.search(r"\w{3}", text.replace("expected", "").replace("got", "")) else None


def messages(root: Path) -> list[Message]:
    """Every message of the package, in the order of files and lines; the same words in one file once."""
    found: dict[tuple[str, str], Message] = {}
    for path in sorted((root / "iclscope").rglob("*.py")):
        file = path.relative_to(root).as_posix()
        if file in ("iclscope/core/errors.py", "iclscope/core/refusals.py"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = texts_of(tree)
        for node in ast.walk(tree):
            text = message_of(node, constants) if isinstance(node, ast.Call) else None
            if text is not None:
                found.setdefault((file, text), Message(text, file, node.lineno))
    return sorted(found.values(), key=lambda one: (one.file, one.line))


def families(docs: Path) -> list[dict[str, Any]]:
    """What docs/messages.toml says, in its order."""
    read: list[dict[str, Any]] = tomllib.loads((docs / "messages.toml").read_text(encoding="utf-8"))["family"]
    return read


def family_of(message: Message, known: list[dict[str, Any]]) -> str | None:
    """The title of the first family that a message's file belongs to."""
    for family in known:
        if any(fnmatch(message.file, f"iclscope/{pattern}") for pattern in family["files"]):
            return str(family["title"])
    return None


def _sections(docs: Path) -> Iterator[str]:
    known = families(docs)
    by_family: dict[str, list[Message]] = {}
    for message in messages(docs.parent):
        title = family_of(message, known)
        if title is None:
            raise ValueError(f"{message.file}:{message.line}: no family of docs/messages.toml has this file")
        by_family.setdefault(title, []).append(message)
    used: set[str] = set()
    for family in known:
        said = by_family.get(family["title"], [])
        if not said:
            continue
        yield f"({family['anchor']})=\n## {family['title']}\n"
        yield f"**Cause.** {family['cause'].strip()}\n\n**Cure.** {family['cure'].strip()}\n"
        lines = []
        for message in said:
            target = "" if message.anchor in used else f'<span id="{message.anchor}"></span>'
            used.add(message.anchor)
            lines.append(f"- {target}`{message.text.replace('`', chr(39))}`")
        yield "\n".join(lines) + "\n"


def pages(docs: Path) -> dict[str, str]:
    """The page of messages."""
    head = (
        "# Messages\n\nEvery message that iclscope can stop with, read from the code when these pages were built, "
        f"with its cause and its cure. `{OPEN}` stands for what differs: your value, a name, a number. Most say "
        f"`OPTION: expected …, got …`. A request that cannot be honoured ends with exit status 2 before any work is "
        "done; Python gets the same line as `icl.BadRequest`. Search this page for the words that you see; every "
        "message has an address of its own.\n"
    )
    return {"messages.md": "\n".join([head, *_sections(docs)])}
