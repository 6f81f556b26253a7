"""Labels that are kept in a dataset although no training uses them."""

from nadyn.data.arrays import LABELS
from nadyn.data.dataset import Dataset, Group
from nadyn.data.dipole_origin import about_dipoles

# What the loss of a training compares; stress where there is a volume, dipoles where they have a meaning.
LEARNED = ("energies", "forces", "interstate_couplings", "stress", "dipoles", "polarisabilities")


def not_learned(group: Group) -> tuple[str, ...]:
    """Return the names of the labels of a group that no training uses."""
    without = {"stress"} if not group.pbc.all() else set()
    if about_dipoles(group):
        without.add("dipoles")
    learned = [name for name in LEARNED if name not in without]
    labels = tuple(name for name in LABELS if name not in learned and getattr(group, name) is not None)
    return labels if group.masses is None else (*labels, "masses")


def about_not_learned(dataset: Dataset, also_learned: tuple[str, ...] = ()) -> str | None:
    """Return sentences about labels that a training reads and does not use, otherwise None."""
    names = dict.fromkeys(
        name for group in dataset.groups for name in not_learned(group) if name not in also_learned
    )
    if not names:
        return None
    listed = ", ".join(f"`{name}`" for name in names)
    hint = " A run chooses masses by its key `isotopes`." if "masses" in names else ""
    if "stress" in names:
        hint += " About stress: only in a cell that is periodic in all directions there is a volume."
    why = [
        sentence
        for group in dataset.groups
        if group.dipoles is not None and (sentence := about_dipoles(group))
    ]
    hint += f" About dipoles: {why[0]}" if why else ""
    return f"{listed} of the data {'is' if len(names) == 1 else 'are'} not used in the training.{hint}"
