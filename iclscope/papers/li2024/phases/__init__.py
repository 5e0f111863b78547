"""Maps of two settings with the theorems' boundaries on them."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
