"""Datasets of nadyn itself among the formats that can be read."""

from pathlib import Path

from nadyn.data.dataset import Dataset
from nadyn.data.dataset_file import read_dataset
from nadyn.data.hdf5_outline import SIGNATURE, is_h5md
from nadyn.data.readers.reader import Reader, ReadOptions


def _recognises(content: bytes) -> bool:
    return content.startswith(SIGNATURE) and not is_h5md(content)


def _read(path: Path, options: ReadOptions) -> Dataset:
    return read_dataset(path, multiplicities=options.multiplicities)


NADYN_DATASET = Reader("dataset of nadyn", _recognises, _read, frozenset({"multiplicities"}))
