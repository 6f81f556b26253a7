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

    Attributes:
        counts: Functions of each representation.
        odd: For each row the exchanges of like atoms under which it changes its sign, such as ``H1,H2``;
            empty where no row does. Then all rows are scalars, in the order of the string.
    """

    counts: tuple[tuple[str, int], ...]
    odd: tuple[tuple[str, ...], ...] = ()

    @property
    def size(self) -> int:
        """Rows of W."""
        return sum(count * REPRESENTATIONS[name] for name, count in self.counts)

    @property
    def exchanges(self) -> tuple[str, ...]:
        """All exchanges under which a row changes its sign, each once."""
        return tuple(dict.fromkeys(exchange for row in self.odd for exchange in row))

    def count(self, name: str) -> int:
        """Number of basis functions of one representation."""
        return dict(self.counts).get(name, 0)

    def couples(self, row_a: int, row_b: int) -> bool:
        """Tell whether sums over atoms couple two rows: they change their signs under the same exchanges."""
        return not self.odd or set(self.odd[row_a]) == set(self.odd[row_b])

    def __str__(self) -> str:
        if not self.odd:
            return " + ".join(f"{count}x{name}" for name, count in self.counts)
        return " + ".join("1x0e" + "".join(f"[{exchange}]" for exchange in row) for row in self.odd)


def parse_basis(text: str) -> Basis:
    """Return the basis that a string such as ``2x0e + 1x1o`` or ``1x0e[H1,H2] + 1x0e`` names.

    Raises:
        InputError: The string cannot be read, names an unknown representation or has more than 100 rows, or
            something else than scalars changes its sign under exchanges.
    """
    counts: dict[str, int] = {}
    odd: list[tuple[str, ...]] = []
    for piece in text.split("+"):
        match = re.fullmatch(r"\s*(?:0*(\d{1,9})\s*x\s*)?(\d[eo])\s*((?:\[[^\[\]]*\]\s*)*)", piece)
        if match is None or match[2] not in REPRESENTATIONS or match[1] == "0":
            known = ", ".join(REPRESENTATIONS)
            raise InputError(f"`basis` must be a sum like '2x0e + 1x1o' of {known}, but is {text!r}.")
        counts[match[2]] = counts.get(match[2], 0) + int(match[1] or 1)
        exchanges = tuple("".join(one.split()) for one in re.findall(r"\[([^\[\]]*)\]", match[3]))
        odd += [exchanges] * min(int(match[1] or 1), LARGEST_SIZE)
    basis = Basis(tuple((name, counts[name]) for name in REPRESENTATIONS if name in counts))
    if basis.size > LARGEST_SIZE:
        raise InputError(f"`basis` must have {LARGEST_SIZE} rows or fewer, but {text!r} has {basis.size}.")
    if not any(odd):
        return basis
    if set(counts) != {"0e"}:
        raise InputError(
            "`basis` must be of scalars 0e where a row changes its sign under exchanges of atoms, but is "
            f"{text!r}."
        )
    return Basis(basis.counts, tuple(odd))


def basis_functions(basis: Basis) -> list[tuple[str, int]]:
    """Return the representation and the first row of each basis function."""
    functions, row = [], 0
    for name, count in basis.counts:
        for _ in range(count):
            functions.append((name, row))
            row += REPRESENTATIONS[name]
    return functions
