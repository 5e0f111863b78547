"""`iclscope llm select`: selectors of demonstrations at equal shots."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
