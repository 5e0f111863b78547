"""Pictures of what a sweep found."""

from iclscope.core.backend_variable import import_matplotlib

import_matplotlib()  # before any figure does
