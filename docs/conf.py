"""Sphinx configuration; warnings are errors when the documentation is built in CI."""

import re
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

# Docstrings are plain text for readers of the code: `name` is code, |c|² or c*_a is mathematics, no markup.
default_role = "literal"


def escape_mathematics(app, what, name, obj, options, lines):
    """Let bars, stars and trailing underscores outside backticks mean themselves."""
    for number, line in enumerate(lines):
        pieces = re.split(r"(`[^`]*`)", line)
        pieces[::2] = [re.sub(r"([|*]|(?<=\w)_(?=\W|$))", r"\\\1", piece) for piece in pieces[::2]]
        lines[number] = "".join(pieces)


def setup(app):
    """Escape before napoleon reads the docstring."""
    app.connect("autodoc-process-docstring", escape_mathematics, priority=400)
