"""`iclscope llm evaluate`: accuracy against the number of demonstrations."""

from iclscope.core.backend_variable import import_matplotlib

import_matplotlib()  # before any figure does
