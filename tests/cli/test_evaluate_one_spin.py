"""`nadyn evaluate` of a model of one spin on data of several."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from contracts.untrained import untrained
from typed import typed

from nadyn.data import Dataset
from nadyn.data.dataset_file import write_dataset
from nadyn.data.readers.table import read_file
from nadyn.models import save_model

DATA = Path(__file__).parents[1] / "data" / "fixtures" / "pyrai2md_5_frames.json"


@pytest.mark.filterwarnings("ignore:the file does not say which states")
def test_a_model_of_singlets_is_judged_on_data_with_triplets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    group = read_file(DATA).groups[0]
    # The untrained network knows fluorine and no oxygen.
    numbers = np.where(group.atomic_numbers == 8, 9, group.atomic_numbers)
    write_dataset(Path("data.h5"), Dataset((replace(group, atomic_numbers=numbers),)))
    save_model(
        untrained("moments", "2x0e", atomic_numbers=tuple(numbers.tolist())), Path("model.safetensors")
    )
    code, said = typed("evaluate", "model.safetensors", "data.h5")
    assert code == 2 and "Take those of one spin with `--multiplicity`." in " ".join(said.split())
    code, said = typed("evaluate", "model.safetensors", "data.h5", "--multiplicity", 1)
    assert code == 0, said
    assert "energy S1" in said and "energy T1" not in said
