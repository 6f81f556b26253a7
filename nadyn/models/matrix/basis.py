"""The latent basis of W as a string of irreducible representations of O(3)."""

import re
from dataclasses import dataclass

from nadyn.checks.errors import InputError

# representation -> rows it takes
REPRESENTATIONS = {"0e": 1, "0o": 1, "1o": 3, "1e": 3}

# Far more than there are states; each pair of rows is an output of every network.
LARGEST_SIZE = 100


@dataclass(frozen=True)
class Basis:
    """How many basis functions of each representation.

    `0e` are scalars, `0o` pseudoscalars, `1o` vectors, `1e` axial vectors.
    """

    counts: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        """Rows of W."""
        return sum(count * REPRESENTATIONS[name] for name, count in self.counts)

    def count(self, name: str) -> int:
        """Number of basis functions of one representation."""
        return dict(self.counts).get(name, 0)

    def __str__(self) -> str:
        return " + ".join(f"{count}x{name}" for name, count in self.counts)


def parse_basis(text: str) -> Basis:
    """Return the basis that a string such as ``2x0e + 1x1o`` names.

    Raises:
        InputError: The string cannot be read, names an unknown representation or has more than 100 rows.
    """
    counts: dict[str, int] = {}
    for piece in text.split("+"):
        match = re.fullmatch(r"\s*(?:0*(\d{1,9})\s*x\s*)?(\d[eo])\s*", piece)
        if match is None or match[2] not in REPRESENTATIONS or match[1] == "0":
            known = ", ".join(REPRESENTATIONS)
            raise InputError(f"`basis` must be a sum like '2x0e + 1x1o' of {known}, but is {text!r}.")
        counts[match[2]] = counts.get(match[2], 0) + int(match[1] or 1)
    basis = Basis(tuple((name, counts[name]) for name in REPRESENTATIONS if name in counts))
    if basis.size > LARGEST_SIZE:
        raise InputError(f"`basis` must have {LARGEST_SIZE} rows or fewer, but {text!r} has {basis.size}.")
    return basis


def basis_functions(basis: Basis) -> list[tuple[str, int]]:
    """Return the representation and the first row of each basis function."""
    functions, row = [], 0
    for name, count in basis.counts:
        for _ in range(count):
            functions.append((name, row))
            row += REPRESENTATIONS[name]
    return functions
