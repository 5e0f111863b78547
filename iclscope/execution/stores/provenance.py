"""What a row was made with: version, git state, device."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from iclscope import __version__


class Provenance(NamedTuple):
    """What made a row.

    Attributes:
        iclscope: the version of the package.
        git: the commit of its source, ``-dirty`` behind it if that was changed since; None where it is not a checkout.
        device: the processor or the name of the GPU.
    """

    iclscope: str
    git: str | None
    device: str

    @classmethod
    def of(cls, device: torch.device) -> Provenance:
        """What this process makes rows with."""
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        return cls(__version__, git_state(Path(__file__).parents[2]), name)


@cache
def git_state(folder: Path) -> str | None:
    """The commit that a folder is checked out at, with ``-dirty`` where tracked files differ from it.

    Args:
        folder: of source code. Where it only lies inside somebody else's checkout (an installed package, say), that
            is not its state.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")
        return git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None
