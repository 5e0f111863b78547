"""Lines of a text file."""

from __future__ import annotations


def lines_of(text: str) -> list[str]:
    r"""The lines of a text, which end in ``\n``, ``\r\n``, or, where there is none of either, in ``\r``.

    `str.splitlines` also splits at characters that a text may hold within a line, such as U+2028 and U+0085.
    """
    if "\n" not in text:
        return text.split("\r")
    return [line.removesuffix("\r") for line in text.split("\n")]
