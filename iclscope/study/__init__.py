"""A figure, its runner and its page: from a paper's name to its report."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
