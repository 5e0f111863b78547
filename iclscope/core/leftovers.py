"""Files that processes were writing when they were killed: nobody reads them, and old ones are removed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from iclscope.core.files import is_temporary

OLD = 24 * 3600.0
"""Seconds after which nobody is still writing a file: the largest takes minutes."""

# Of earlier versions (".rows.parquet.4711"), and the file on which it is tried whether a folder has locks.
_OTHERS = re.compile(r"\..+\.\d+(?:\.tmp)?|\.[0-9a-f]{32}\.lock")


def remove_leftovers(folders: Iterable[Path]) -> None:
    """Remove what killed processes left in folders of ours a day ago or earlier; nothing is said where that fails.

    Args:
        folders: they need not exist; what lies in folders within them stays.
    """
    now = time.time()
    for folder in folders:
        with suppress(OSError):
            for entry in folder.iterdir():
                with suppress(OSError):
                    named_so = is_temporary(entry.name) or _OTHERS.fullmatch(entry.name) is not None
                    if named_so and entry.is_file() and now - entry.lstat().st_mtime > OLD:
                        entry.unlink()
