"""One folder per paper: theory, settings, published values, figures; all that a reader of that paper needs."""

from iclscope.core.backend_variable import import_matplotlib

import_matplotlib()  # before any figure does
