"""A figure, its runner and its page: from a paper's name to its report."""

from iclscope.core.backend_variable import import_matplotlib

import_matplotlib()  # before any figure does
