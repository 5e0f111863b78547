"""`iclscope llm attention`: where each head looks from the query."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
