"""``python -m iclscope``: the command line."""

from iclscope.cli.main import run

run()
