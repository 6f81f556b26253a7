"""Formulas as MathML, which browsers draw themselves: a page needs no script and no network."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

_LOGGER = logging.getLogger(__name__)


def mathml(latex: str, *, display: str) -> str:
    r"""Return a formula as MathML.

    Args:
        latex: The formula, without its dollar signs.
        display: inline or block.

    Raises:
        ValueError: A command is not known; it would stand on the page as it is.
    """
    # Browsers stretch delimiters by themselves; the converter does not know all that are made larger by hand.
    converted = convert(re.sub(r"\\[Bb]igg?[lrm]?(?![A-Za-z])", "", latex), display=display)
    # Of words with an underscore in a formula the converter keeps the backslash.
    converted = converted.replace(r"\_", "_")
    if unknown := re.findall(r">\s*\\[A-Za-z]+", converted):
        raise ValueError(f"a formula must have commands that are known, but has {unknown[0][1:]}: {latex}")
    return converted


def _inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(_drawn(node, "inline"))
    raise nodes.SkipNode


def _block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{_drawn(node, "block")}</div>')
    raise nodes.SkipNode


def _drawn(node: nodes.Element, display: str) -> str:
    try:
        return mathml(node.astext(), display=display)
    except Exception as error:
        # Sphinx makes an error of it where the documentation is checked.
        _LOGGER.warning("%s", error, location=node)
        return ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer, for `html_math_renderer = "mathml"`."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
