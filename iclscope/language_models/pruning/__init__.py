"""`iclscope llm prune`: what is lost and saved without some MLP neurons."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
