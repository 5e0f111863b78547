"""GGUF files unpacked once: a safetensors copy of each in the user's cache, which opens in a second."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import transformers

from iclscope.core.catalogue import cache_folder
from iclscope.core.files import write_text
from iclscope.language_models.models.file_hashes import file_hash

FORMAT = 1
MOST = 4
"""How many copies are kept; those that were not used for longest go first."""
_NOTE = "copy.json"


def safetensors_copy(file: Path, unpack: Callable[[Path], None]) -> Path | None:
    """A folder with the checkpoint of a GGUF file in safetensors, its weights in float32; made if there is none.

    Copies are known by the file's content and by the version of transformers that unpacked it.

    Args:
        file: the GGUF file.
        unpack: writes the checkpoint into a folder that exists; what it raises but `OSError` is passed on.

    Returns:
        The folder; None where none can be kept: no home folder, no room, no leave to write.
    """
    try:
        place = copies() / f"{file_hash(file)[:32]}-{transformers.__version__}-{FORMAT}"
        if not _is_whole(place):
            _make(place, unpack)
        os.utime(place)
        _forget(place)
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        return None
    return place


def copies() -> Path:
    """The folder that copies are kept in."""
    return cache_folder() / "gguf"


def _make(place: Path, unpack: Callable[[Path], None]) -> None:
    """Unpack beside the place, then put it there in one step: nobody sees half a copy."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".new-") as folder:
        made = Path(folder) / "copy"
        made.mkdir()
        unpack(made)
        sizes = {path.name: path.stat().st_size for path in made.iterdir()}
        write_text(made / _NOTE, json.dumps(sizes, indent=1) + "\n")
        shutil.rmtree(place, ignore_errors=True)  # a damaged one
        with contextlib.suppress(FileExistsError):  # another process was faster
            made.rename(place)


def _is_whole(place: Path) -> bool:
    try:
        sizes = json.loads((place / _NOTE).read_text(encoding="utf-8"))
        return bool(sizes) and all((place / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def _forget(used: Path) -> None:
    """Remove the copies that were not used for longest, beyond `MOST`."""
    found = [path for path in copies().iterdir() if (path / _NOTE).is_file() and path != used]
    for path in sorted(found, key=lambda path: -path.stat().st_mtime)[MOST - 1 :]:
        shutil.rmtree(path, ignore_errors=True)
