"""Every message of the code has a cause and a cure on the page of messages."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from documentation.made_pages import DOCS, ROOT, module_at

messages = module_at("docs/generate/messages.py")


def call(source: str) -> str | None:
    """What a call of the source says."""
    expression = ast.parse(source, mode="eval").body
    assert isinstance(expression, ast.Call)
    said: str | None = messages.message_of(expression, {"ALLOWED": "a name"})
    return said


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('require(a > 1, "--seeds", a, "at least 2")', "--seeds: expected at least 2, got …"),
        ('refused("--out", path, "a new file; this one exists")', "--out: expected a new file, got …; this one exists"),
        ('refused(option, path, f"one of {names}")', "…: expected one of …, got …"),
        ('errors.unknown("NAME", name, names)', "NAME: expected one of …, got …"),
        ('unusable("--out", path, "it is a folder")', "--out = …: it is a folder"),
        ('BadRequest(f"PAPER is missing: {names} or all")', "PAPER is missing: … or all"),
        ('StorageFailed("the disk is " + "full")', "the disk is full"),
        ('require(ok, "kind", kind, ALLOWED)', "kind: expected a name, got …"),
        ("BadRequest(str(error))", None),
        ('print("nothing to do with it")', None),
    ],
)
def test_messages_are_read_from_calls(source: str, said: str | None) -> None:
    assert call(source) == said


def test_every_message_has_one_family() -> None:
    known = messages.families(DOCS)
    lost = [one for one in messages.messages(ROOT) if messages.family_of(one, known) is None]
    assert lost == []


def test_every_family_has_messages_a_cause_and_a_cure() -> None:
    known = messages.families(DOCS)
    used = {messages.family_of(one, known) for one in messages.messages(ROOT)}
    assert used == {family["title"] for family in known}
    assert all(len(family["cause"]) > 40 and len(family["cure"]) > 40 for family in known)
    assert len({family["anchor"] for family in known}) == len(known)


def test_a_message_that_a_user_meets_is_on_the_page(tmp_path: Path) -> None:
    """Provoked on the command line, looked up by its words."""
    words = [sys.executable, "-m", "iclscope.cli.main", "reproduce", "li2024", "--seeds", "1"]
    met = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert met.returncode == 2
    line = met.stderr.strip()
    texts = [one.text for one in messages.messages(ROOT)]
    parts = [[part for part in text.split(messages.OPEN) if len(part.strip()) > 3] for text in texts]
    assert any(found and all(part in line for part in found) for found in parts), line


def test_the_page_has_an_address_for_each() -> None:
    page = messages.pages(DOCS)["messages.md"]
    for one in messages.messages(ROOT):
        assert f'id="{one.anchor}"' in page
