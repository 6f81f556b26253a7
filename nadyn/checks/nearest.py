"""The known word that an unknown one was probably meant to be."""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known word that is most like another, None if none is; of equals the one with its beginning.

    `fsh` is as far from fssh as from gfsh, but a slip is rarer in the first letter.

    Args:
        word: What was given.
        known: What could have been meant, in the order in which equals are preferred.
        cutoff: Least likeness, between 0 and 1.
    """
    known = list(known)
    near = difflib.get_close_matches(word, known, n=len(known) or 1, cutoff=cutoff)
    if not near:
        return None

    def likeness(other: str) -> tuple[float, int, int]:
        ratio = difflib.SequenceMatcher(None, other, word).ratio()
        same = next(
            (n for n, (a, b) in enumerate(zip(word, other, strict=False)) if a != b),
            min(len(word), len(other)),
        )
        return ratio, same, -known.index(other)

    return max(near, key=likeness)
