"""Sphinx configuration; warnings are errors when the documentation is built in CI."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import nadyn

project = "nadyn"
author = "nadyn developers"
copyright = "nadyn developers"
release = version = nadyn.__version__

# What the pages say about the program stands in them: see docs/reference.
extensions = ["myst_parser", "docs.mathml"]
html_math_renderer = "mathml"
exclude_patterns = ["_build", "reference"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"nadyn {version}"
html_show_sourcelink = False
