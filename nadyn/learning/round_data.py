"""The labels that a round trains on, kept as they were when it began."""

from pathlib import Path

from nadyn.data import Dataset, load_dataset
from nadyn.data.dataset_file import write_dataset
from nadyn.learning.context import Context
from nadyn.learning.folder import read_json, write_json
from nadyn.learning.gathering import gathered_labels

_BASIS = "basis.json"


def dataset_of(context: Context, folder: Path) -> Dataset:
    """Return the labels of a round; the first call writes them down."""
    path = folder / "dataset.h5"
    if not path.exists():
        group, basis = gathered_labels(context)
        if basis is not None:
            write_json(folder / _BASIS, {"basis": basis})
        write_dataset(path, Dataset((group,)))
    return load_dataset(path)


def basis_of(folder: Path) -> str | None:
    """Return the latent basis of the eigenvectors that the labels of a round have, None without them."""
    return (read_json(folder / _BASIS) or {}).get("basis")
