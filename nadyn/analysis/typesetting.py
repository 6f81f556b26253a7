"""Formulas as they are printed."""

import re

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def typeset(text: str) -> str:
    """Return a formula with its counts as subscripts and mass numbers as superscripts: CHD₃, ¹³CH₄."""
    pieces = re.split(r"\[(\d+)\]", text)
    pieces[::2] = [piece.translate(_SUBSCRIPTS) for piece in pieces[::2]]
    pieces[1::2] = [piece.translate(_SUPERSCRIPTS) for piece in pieces[1::2]]
    return "".join(pieces)
