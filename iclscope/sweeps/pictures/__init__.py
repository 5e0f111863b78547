"""Pictures of what a sweep found."""

import iclscope.plotting  # noqa: F401 (before a figure imports matplotlib)
