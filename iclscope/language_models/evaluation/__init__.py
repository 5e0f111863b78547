"""`iclscope llm evaluate`: accuracy against the number of demonstrations."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
