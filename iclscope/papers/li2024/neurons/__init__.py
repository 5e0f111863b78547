"""Figures of MLP neurons: what they encode, and which may be pruned."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
