"""Figures of the one-layer model: training, generalization, and what the theorems ask for."""

from iclscope.core.backend_variable import import_matplotlib

import_matplotlib()  # before any figure does
