"""Figures of GPT-2 with three layers."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
