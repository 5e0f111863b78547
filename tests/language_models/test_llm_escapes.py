r"""Tabs, new lines and backslashes in options."""

from __future__ import annotations

import pytest

from iclscope.language_models.texts.escapes import unescaped


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (r"Text: {text}\nLabel:", "Text: {text}\nLabel:"),
        (r"{text}\t", "{text}\t"),
        (r"a\\nb", r"a\nb"),
        (r"a\\\nb", "a\\\nb"),
        (r"a\\\\b", r"a\\b"),
        (r"C:\data\x", r"C:\data\x"),
        ("a\\", "a\\"),
        ("a\nb\tc", "a\nb\tc"),
        ("", ""),
    ],
)
def test_escapes(typed: str, meant: str) -> None:
    assert unescaped(typed) == meant
