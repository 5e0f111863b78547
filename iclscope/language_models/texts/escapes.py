"""Characters that are hard to type in a command line."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\([nt\\])")
_MEANT = {"n": "\n", "t": "\t", "\\": "\\"}


def unescaped(text: str) -> str:
    r"""A text of the command line with ``\n`` as a new line, ``\t`` as a tab and ``\\`` as a backslash.

    A backslash in front of anything else is a backslash.
    """
    return _ESCAPE.sub(lambda found: _MEANT[found[1]], text)
