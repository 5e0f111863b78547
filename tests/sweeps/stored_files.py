"""What files of a store do at any address."""

from __future__ import annotations

import pytest

from iclscope.execution.stores.store_files import StoreFiles


def check_whole_or_not_there(files: StoreFiles) -> None:
    """Write, make and read ``rows/a`` and ``rows/b``, which are there in the end."""
    assert files.local is None
    assert files.names("rows") == []
    assert not files.has("rows/a")
    with pytest.raises(FileNotFoundError):
        files.read("rows/a")
    files.write("rows/b", b"old")
    files.write("rows/b", b"new")
    assert files.create("rows/a", b"x" * 100_000)
    assert not files.create("rows/a", b"other")
    assert files.names("rows") == ["rows/a", "rows/b"]
    assert files.read("rows/a") == b"x" * 100_000
    assert files.read("rows/b") == b"new"
