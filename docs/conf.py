"""How Sphinx builds the documentation: ``make docs``, or ``sphinx-build -W -n docs build/docs``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
# Compiled loops and the list of papers are remembered below the build, not in the reader's home folder; notebooks and
# the pages made from code must not depend on how many cores a machine has.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import iclscope  # noqa: E402 (after the environment is set)

project = "iclscope"
author = "The iclscope authors"
copyright = "the iclscope authors, Apache-2.0"
version = release = iclscope.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "generate",
]
exclude_patterns = ["_static", "generate", "images", "made/parts"]  # parts are included by pages
templates_path: list[str] = []
html_static_path = ["_static"]

# The page. Furo: no file from elsewhere, light and dark by the reader's own setting, and one column on a phone.
html_theme = "furo"
html_title = f"iclscope {version}"
html_css_files = ["extra.css"]
html_theme_options = {"navigation_with_keys": True, "footer_icons": []}
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "monokai"

# Markdown. Links into headings are checked, as all others are.
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath", "substitution"]
myst_heading_anchors = 4
myst_dmath_double_inline = True

# Notebooks run at build, in a process each, and again only if their text changed. An error in one fails the build.
nb_execution_mode = "cache"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_execution_cache_path = str(HERE.parent / "build" / "notebooks")

# The reference, from docstrings. Signatures keep the shapes that jaxtyping states.
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 100
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Types in signatures lead to pages where there is one. Those of other packages would need the network to be looked up,
# and internal ones have no page: `tests/docs` holds that every public name has one.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:(class|obj|data|exc|meth|func|attr|mod)", r"(?!iclscope\.).*"),
    (r"py:(class|obj|data|exc)", r"iclscope\..*"),
]
suppress_warnings = ["mystnb.unknown_mime_type"]
