"""Figures of MLP neurons: what they encode, and which may be pruned."""

from iclscope.core.backend_variable import import_matplotlib

import_matplotlib()  # before any figure does
