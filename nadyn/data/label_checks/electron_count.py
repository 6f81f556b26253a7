"""Whether charge and multiplicities can belong to the atoms: an even number of electrons has odd 2S + 1."""

from nadyn.data.dataset import Group
from nadyn.data.label_checks.doubt import Doubt
from nadyn.structures import formula


def impossible_electrons(group: Group) -> Doubt | None:
    """Return a doubt where no state of a molecule can have its multiplicity at its charge.

    Cells are not looked at, whose electrons do not pair, nor single atoms, which are references of energy.
    """
    electrons = int(group.atomic_numbers.sum()) - group.charge
    wrong = [spin for spin in dict.fromkeys(group.multiplicities) if (electrons + spin) % 2 == 0]
    if not wrong or group.n_atoms == 1 or group.pbc.any():
        return None
    silent = [f"`{key}`" for key in ("charge", "multiplicities") if key in group.assumed]
    advice = "Correct one of them in the file"
    if silent:
        options = " or ".join(f"`--{key.strip('`')}`" for key in silent)
        advice = f"No file says {' and '.join(silent)}: say it with {options}"
    return Doubt(
        f"charge and multiplicities must fit together, but {formula(group.atomic_numbers)} of charge "
        f"{group.charge} has {electrons} electrons, which have no 2S+1 of {' and '.join(map(str, wrong))}. "
        f"{advice}."
    )
