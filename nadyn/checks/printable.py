"""Texts of a file as they may be shown: nothing in them moves a cursor or turns a line around."""

import unicodedata

# Letters of their own meaning to a terminal, and those that change the direction of writing.
_KINDS = ("Cc", "Cf", "Cs", "Co")
_KEPT = "\n\t"
_INSTEAD = "\N{REPLACEMENT CHARACTER}"


def printable(value: object) -> object:
    """Return a text with a replacement in the place of control characters; lists and mappings of texts too.

    Line ends and tabs stay, and so does whatever is no text.
    """
    if isinstance(value, str):
        if value.isprintable():
            return value
        return "".join(
            _INSTEAD if unicodedata.category(one) in _KINDS and one not in _KEPT else one for one in value
        )
    if isinstance(value, list):
        return [printable(one) for one in value]
    if isinstance(value, dict):
        return {printable(key): printable(one) for key, one in value.items()}
    return value
