"""The style of all figures. Importing this imports matplotlib, whatever MPLBACKEND says."""

from iclscope.plotting.backend_variable import import_matplotlib

import_matplotlib()
