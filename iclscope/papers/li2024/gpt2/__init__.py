"""Figures of GPT-2 with three layers."""

from iclscope.core.backend_variable import import_matplotlib

import_matplotlib()  # before any figure does
