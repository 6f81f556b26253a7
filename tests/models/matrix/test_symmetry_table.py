"""The table of docs/methods/symmetry.md: each basis contains the product of the two states beside it."""

import re
from pathlib import Path

import numpy as np
import pytest

from nadyn.models.matrix.basis import parse_basis

PAGE = Path(__file__).parents[3] / "docs" / "methods" / "symmetry.md"
IDENTITY = np.eye(3)
INVERSION = -IDENTITY
YZ, XZ, XY = np.diag([-1.0, 1, 1]), np.diag([1.0, -1, 1]), np.diag([1.0, 1, -1])


def _turn(fold, axis=2):
    angle = 2 * np.pi / fold
    first, second = [(1, 2), (2, 0), (0, 1)][axis]
    turn = np.eye(3)
    turn[first, first] = turn[second, second] = np.cos(angle)
    turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
    return turn


# Generators of each group, and the characters of its one-dimensional representations on them.
GROUPS = {
    "Cs": ((XY,), {"A′": (1,), "A″": (-1,)}),
    "C2": ((_turn(2),), {"A": (1,), "B": (-1,)}),
    "Ci": ((INVERSION,), {"Ag": (1,), "Au": (-1,)}),
    "C2v": ((YZ, XZ), {"A1": (1, 1), "A2": (-1, -1), "B1": (-1, 1), "B2": (1, -1)}),
    "C2h": ((_turn(2), INVERSION), {"Ag": (1, 1), "Au": (1, -1), "Bg": (-1, 1), "Bu": (-1, -1)}),
    "D2h": (
        (_turn(2), _turn(2, axis=1), INVERSION),
        {
            name + parity: (*characters, 1 if parity == "g" else -1)
            for name, characters in {"A": (1, 1), "B1": (1, -1), "B2": (-1, 1), "B3": (-1, -1)}.items()
            for parity in "gu"
        },
    ),
    "C3v": ((_turn(3), YZ), {"A1": (1, 1), "A2": (1, -1)}),
    "D3h": (
        (_turn(3), YZ, XY),
        {"A1′": (1, 1, 1), "A2′": (1, -1, 1), "A1″": (1, -1, -1), "A2″": (1, 1, -1)},
    ),
    # A fivefold axis stands for the one of infinite order; no representation in use can tell them apart.
    "D∞h": ((_turn(5), YZ, XY), {}),
}
# Characters of two-dimensional representations on the same generators.
PAIRS = {
    ("C3v", "E"): (-1, 0),
    ("D3h", "E′"): (-1, 0, 2),
    ("D3h", "E″"): (-1, 0, -2),
    ("D∞h", "Πu"): (2 * np.cos(2 * np.pi / 5), 0, 2),
    ("D∞h", "Πg"): (2 * np.cos(2 * np.pi / 5), 0, -2),
}


def _rows():
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"\| (\S+) \| (.+) \| `(.+)` \|", line)
        if match and match[1] != "any":
            for pair in match[2].split(", "):
                yield match[1], pair, match[3]


def _matrices(name, operation):
    parity = np.linalg.det(operation)
    return {
        "0e": np.eye(1),
        "0o": parity * np.eye(1),
        "1o": operation,
        "1e": parity * operation,
    }[name]


def _contains(name, operations, characters):
    """Tell whether a representation holds a function that gets these signs."""
    size = len(_matrices(name, IDENTITY))
    conditions = [
        _matrices(name, operation) - sign * np.eye(size)
        for operation, sign in zip(operations, characters, strict=True)
    ]
    return np.linalg.matrix_rank(np.concatenate(conditions), tol=1e-9) < size


ROWS = list(_rows())


def test_the_table_is_there():
    assert len(ROWS) >= 28
    assert {row[0] for row in ROWS} == set(GROUPS)


@pytest.mark.parametrize("group, pair, basis", ROWS)
def test_a_basis_of_the_table_holds_its_pair_of_states(group, pair, basis):
    operations, characters = GROUPS[group]
    names = [name for name, count in parse_basis(basis).counts]
    level = re.fullmatch(r"the two components of (\S+)", pair)
    if level:
        # The representation splits into the level and one more function: traces on the generators add.
        (name,) = names
        rest = [
            np.trace(_matrices(name, operation)) - trace
            for operation, trace in zip(operations, PAIRS[group, level[1]], strict=True)
        ]
        np.testing.assert_allclose(np.abs(rest), 1.0, atol=1e-12)
        assert _contains(name, operations, np.round(rest))
        return
    first, second = pair.split(" and ")
    product = np.array(characters[first]) * np.array(characters[second])
    assert any(product != 1)
    assert names[0] == "0e"
    assert _contains(names[1], operations, product)
    # A matrix of invariants would not do.
    assert not _contains("0e", operations, product)
