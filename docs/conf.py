"""Sphinx configuration; warnings are errors when the documentation is built in CI."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import nadyn

project = "nadyn"
author = "nadyn developers"
copyright = "nadyn developers"
release = version = nadyn.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "configuration_table",
    "command_help",
]
exclude_patterns = ["_build", "_extensions"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "none"
autodoc_member_order = "bysource"
# Attributes are listed in the docstrings, with their units.
napoleon_use_ivar = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"nadyn {version}"
html_show_sourcelink = False
