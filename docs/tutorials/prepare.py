"""What every tutorial begins with, unseen: a folder of its own, and commands whose output comes in one piece.

IPython's own ``%%bash`` hands on what it reads in pieces, which pages would show with line breaks between them.
"""

from __future__ import annotations

import os
import subprocess
import tempfile

from IPython import get_ipython


def bash(line: str, cell: str) -> None:
    """Run a cell in bash; a command that fails fails the cell."""
    del line
    done = subprocess.run(["bash", "-e", "-c", cell], capture_output=True, text=True, check=False)
    print(done.stdout.strip("\n"))
    if done.returncode:
        raise RuntimeError(done.stderr)


os.chdir(tempfile.mkdtemp())
for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
    os.environ.pop(name, None)
os.environ["COLUMNS"] = "100"
get_ipython().register_magic_function(bash, "cell")
