"""Write fixtures/soap_dscribe.json: power spectra of two molecules by another program.

Run it where dscribe is installed (`pip install dscribe`); it needs no nadyn, and the tests need no dscribe:

    python tests/models/encoders/make_soap_reference.py

dscribe takes lengths in the unit of the positions, so bohr go in as they are; its innermost radial function
ends at 1. Its cutoff function is (1 + 2x³ - 3x²)², and the atom itself counts with weight 1. Spectra are cut
into arrays (atom, l, n, n') for each pair of elements, for one element with n ≤ n' in rows of a triangle.

Source of dscribe: L. Himanen et al., Comput. Phys. Commun. 247, 106949 (2020), Apache-2.0.
"""

import json
from importlib.metadata import version
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from ase import Atoms
from dscribe.descriptors import SOAP
from make_symmetry_function_reference import MOLECULES

CUTOFF = 5.0
N_RADIAL, HIGHEST_RANK, SMEAR = 3, 5, 0.75


def spectra(numbers: tuple[int, ...], positions: np.ndarray) -> dict[str, list]:
    """Return {"element-element": (atom, rank, product)}."""
    elements = sorted(set(numbers))
    descriptor = SOAP(
        r_cut=CUTOFF,
        n_max=N_RADIAL,
        l_max=HIGHEST_RANK,
        sigma=SMEAR,
        species=elements,
        periodic=False,
        weighting={"function": "poly", "r0": CUTOFF, "c": 1.0, "m": 2.0, "w0": 1.0},
    )
    values = descriptor.create(Atoms(numbers, positions), centers=list(range(len(numbers))))
    found = {}
    for first, second in combinations_with_replacement(elements, 2):
        block = values[:, descriptor.get_location((first, second))]
        # Ten digits are more than the comparison needs.
        rounded = [[float(f"{value:.10g}") for value in row] for row in block]
        found[f"{first}-{second}"] = np.reshape(rounded, (len(numbers), HIGHEST_RANK + 1, -1)).tolist()
    return found


def main() -> None:
    """Compute all molecules and write the file beside this script."""
    molecules = {
        name: {
            "atomic_numbers": numbers,
            "positions_bohr": positions,
            "spectra": spectra(numbers, np.array(positions)),
        }
        for name, (numbers, positions) in MOLECULES.items()
        if len(numbers) == 4
    }
    content = {
        "made_by": f"dscribe {version('dscribe')}",
        "licence": "CC0-1.0",
        "cutoff_bohr": CUTOFF,
        "n_radial": N_RADIAL,
        "highest_rank": HIGHEST_RANK,
        "smear_bohr": SMEAR,
        "molecules": molecules,
    }
    path = Path(__file__).parent / "fixtures" / "soap_dscribe.json"
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
