"""From the output of quantum chemistry to datasets and batches."""

from nadyn.data.dataset import Dataset, Group, state_pairs
from nadyn.data.dataset_file import load_dataset, read_dataset, write_dataset
from nadyn.data.joining import join
from nadyn.data.splitting import folds, split
from nadyn.data.validation import group_from_arrays

__all__ = [
    "Dataset",
    "Group",
    "folds",
    "group_from_arrays",
    "join",
    "load_dataset",
    "read_dataset",
    "split",
    "state_pairs",
    "write_dataset",
]
