"""One folder per paper, one file per figure."""

from iclscope.backend_variable import import_matplotlib

import_matplotlib()  # before any figure does
