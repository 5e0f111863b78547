"""Maps of two settings with the theorems' boundaries on them."""

from iclscope.core.backend_variable import import_matplotlib

import_matplotlib()  # before any figure does
