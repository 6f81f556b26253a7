"""How much a packed file may become: no small file fills the memory."""

from nadyn.checks.errors import InputError
from nadyn.checks.forecast import size_in_words

# Numbers that say something hardly shrink. What shrinks this far is zeros, NaN or a trap.
MOST_TIMES = 100
ALWAYS = 256 << 20


def most_unpacked(packed: int) -> int:
    """Return how many bytes may come out of so many packed ones."""
    return max(ALWAYS, MOST_TIMES * packed)


def check_unpacked(unpacked: int, packed: int, what: str) -> None:
    """Refuse what becomes larger than that; the sentence begins with `what`.

    Raises:
        InputError: It does.
    """
    if unpacked > most_unpacked(packed):
        raise InputError(
            f"{what} must not unpack to more than {MOST_TIMES} times its {size_in_words(packed)}, but does. "
            "Unpack it by another program, and look at it, if it is yours."
        )
