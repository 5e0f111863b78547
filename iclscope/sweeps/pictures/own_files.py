"""Figures as files that can be told to be ours, unchanged, so that they alone are ever replaced.

A file says in its metadata that iclscope made it, with a checksum of all the rest. What somebody has edited since, even
with a program that keeps the metadata, has another checksum and is theirs.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
import zlib
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from iclscope.plotting.style import STYLE, without_font_dates

MARK = "iclscope plot"
_CHECKSUM = 64
_SEAL = re.compile(re.escape(MARK.encode()) + rb" [0-9a-f]{64}(?s:....)")
"""The mark, and four bytes behind it: in PNG the checksum of the block that holds it."""

_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": MARK},
    "pdf": {"Creator": MARK, "CreationDate": None},
    "svg": {"Creator": MARK, "Date": None},
}
ENDINGS = tuple(f".{kind}" for kind in _METADATA)


def figure_file(figure: Figure, ending: str, *, name: str) -> bytes:
    """A figure as the bytes of a file, on a white ground, 150 dpi where that applies.

    Equal figures give equal bytes.

    Args:
        figure: what to write.
        ending: one of `ENDINGS`.
        name: what makes the ids of an SVG its own.
    """
    kind = ending.removeprefix(".")
    metadata = {key: f"{value} {'0' * _CHECKSUM}" if value == MARK else value for key, value in _METADATA[kind].items()}
    content = io.BytesIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}), warnings.catch_warnings(), without_font_dates():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box stands for a letter the font lacks
        figure.savefig(content, format=kind, dpi=150, facecolor="white", metadata=metadata)
    return _sealed(content.getvalue())


def is_ours(path: Path) -> bool:
    """Whether a file was written by `figure_file` and is unchanged since."""
    if path.is_symlink() or not path.is_file():
        return False
    content = path.read_bytes()
    found = _SEAL.search(content)
    return found is not None and found[0][:-4] == _seal_of(content)


def _seal_of(content: bytes) -> bytes:
    """The mark with the checksum of everything around it."""
    return f"{MARK} {hashlib.sha256(_SEAL.sub(b'', content)).hexdigest()}".encode()


def _sealed(content: bytes) -> bytes:
    seal = _seal_of(content)

    def filled(found: re.Match[bytes]) -> bytes:
        behind = found[0][-4:]
        if content.startswith(b"\x89PNG"):
            behind = zlib.crc32(b"tEXt" + b"Software\0" + seal).to_bytes(4, "big")
        return seal + behind

    return _SEAL.sub(filled, content)
