"""`iclscope llm prune`: what is lost and saved without some MLP neurons."""

from iclscope.core.backend_variable import import_matplotlib

import_matplotlib()  # before any figure does
