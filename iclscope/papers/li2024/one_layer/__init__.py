"""Figures of the one-layer model: training, generalization, and what the theorems ask for."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
