"""The look of all figures."""

from iclscope.core.backend_variable import import_matplotlib

import_matplotlib()  # before any figure does
