"""Write fixtures/symmetry_functions_dscribe.json: three molecules by another program.

Run it where dscribe is installed (`pip install dscribe`); it needs no nadyn, and the tests need no dscribe:

    python tests/models/encoders/make_symmetry_function_reference.py

dscribe takes lengths in the unit of the positions, so bohr go in as they are. Its features come for each
element as a bare sum of cutoffs followed by G2, then for each pair of elements as G4; here they are cut into
named arrays, so that the test needs to know nothing of that order. dscribe counts each pair of neighbours
once, as nadyn does.

Source of dscribe: L. Himanen et al., Comput. Phys. Commun. 247, 106949 (2020), Apache-2.0.
"""

import json
from importlib.metadata import version
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from ase import Atoms
from dscribe.descriptors import ACSF

CUTOFF = 5.0
# Numbers that single precision holds exactly.
RADIAL = ((0.25, 1.5), (1.0, 2.5), (0.5, 4.0))
ANGULAR_ETA = (0.0625, 0.03125)
ANGULAR_ZETA = (1, 2, 4)
SIGNS = (1, -1)

# Positions in bohr, distorted: no two distances are equal, and pairs lie on both sides of the cutoff.
MOLECULES = {
    "formaldehyde": (
        (8, 6, 1, 1),
        ((0.03, -0.02, 2.29), (0.01, 0.04, 0.02), (0.05, 1.77, -1.11), (-0.21, -1.79, -1.08)),
    ),
    "ammonia": (
        (7, 1, 1, 1),
        ((0.1, 0.0, 0.7), (0.9, 1.5, 0.0), (-1.7, 0.2, 0.1), (0.8, -1.4, -0.1)),
    ),
    "hydroxyacetaldehyde": (
        (6, 8, 6, 8, 1, 1, 1, 1),
        (
            (0.0, 0.1, 0.0),
            (-1.9, 1.5, 0.2),
            (2.6, 1.0, -0.1),
            (3.2, 3.2, 0.1),
            (-0.4, -1.2, 1.6),
            (-0.3, -1.1, -1.7),
            (-3.4, 0.5, 0.4),
            (4.0, -0.5, -0.3),
        ),
    ),
}


def symmetry_functions(numbers: tuple[int, ...], positions: np.ndarray) -> dict[str, dict[str, list]]:
    """Return G2 {element: (atom, function)} and G4 {"element-element": (atom, eta, zeta, sign)}."""
    elements = sorted(set(numbers))
    angular = [[eta, zeta, sign] for eta in ANGULAR_ETA for zeta in ANGULAR_ZETA for sign in SIGNS]
    descriptor = ACSF(
        r_cut=CUTOFF,
        g2_params=[list(pair) for pair in RADIAL],
        g4_params=angular,
        species=elements,
        periodic=False,
    )
    values = descriptor.create(Atoms(numbers, positions), centers=list(range(len(numbers))))
    start, radial, angles = 0, {}, {}
    for element in elements:
        radial[str(element)] = values[:, start + 1 : start + 1 + len(RADIAL)].tolist()
        start += 1 + len(RADIAL)
    shape = (len(numbers), len(ANGULAR_ETA), len(ANGULAR_ZETA), len(SIGNS))
    # dscribe counts pairs of elements along the rows of a lower triangle: 11, 12, 22, 13, …
    pairs = sorted(combinations_with_replacement(elements, 2), key=lambda pair: pair[::-1])
    for first, second in pairs:
        block = values[:, start : start + len(angular)]
        angles[f"{first}-{second}"] = block.reshape(shape).tolist()
        start += len(angular)
    assert start == values.shape[1]
    return {"radial": radial, "angular": angles}


def main() -> None:
    """Compute all molecules and write the file beside this script."""
    molecules = {
        name: {
            "atomic_numbers": numbers,
            "positions_bohr": positions,
            **symmetry_functions(numbers, np.array(positions)),
        }
        for name, (numbers, positions) in MOLECULES.items()
    }
    content = {
        "made_by": f"dscribe {version('dscribe')}",
        "licence": "CC0-1.0",
        "cutoff_bohr": CUTOFF,
        "cutoff_function": "cosine",
        "radial_eta_and_shift": RADIAL,
        "angular_eta": ANGULAR_ETA,
        "angular_zeta": ANGULAR_ZETA,
        "angular_sign": SIGNS,
        "molecules": molecules,
    }
    path = Path(__file__).parent / "fixtures" / "symmetry_functions_dscribe.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
