"""Labels that are kept in a dataset although no training uses them."""

from nadyn.data.arrays import LABELS
from nadyn.data.dataset import Dataset, Group

# What the loss of a training compares; stress where there is a volume.
LEARNED = ("energies", "forces", "interstate_couplings", "stress")


def not_learned(group: Group) -> tuple[str, ...]:
    """Return the names of the labels of a group that no training uses."""
    learned = LEARNED if group.pbc.all() else tuple(name for name in LEARNED if name != "stress")
    labels = tuple(name for name in LABELS if name not in learned and getattr(group, name) is not None)
    return labels if group.masses is None else (*labels, "masses")


def about_not_learned(dataset: Dataset) -> str | None:
    """Return a sentence about labels that a training reads and does not use, otherwise None."""
    names = dict.fromkeys(name for group in dataset.groups for name in not_learned(group))
    if not names:
        return None
    listed = ", ".join(f"`{name}`" for name in names)
    hint = " A run chooses masses by its key `isotopes`." if "masses" in names else ""
    return f"{listed} of the data {'is' if len(names) == 1 else 'are'} not used in the training.{hint}"
