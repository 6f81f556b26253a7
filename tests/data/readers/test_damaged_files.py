"""A damaged file of any format is refused in one sentence, or what is read of it is right."""

import damaged_files
import pytest


@pytest.mark.parametrize("name", damaged_files.FILES)
def test_a_damaged_file_is_no_traceback(name, tmp_path):
    for seed, kind in enumerate(damaged_files.DAMAGES):
        result = damaged_files.outcome(name, kind, seed, tmp_path)
        assert result in ("refused", "read"), (kind, seed, result)


def test_whole_files_are_read(tmp_path):
    whole = {
        name: damaged_files.read_anything(damaged_files.FIXTURES / name, name)
        for name in damaged_files.FILES[4:8]
    }
    assert all(found.n_frames for found in whole.values())
    # The judge itself can say no.
    name = "mlatom_2_molecules.json"
    other = whole[name].groups[0].select([1, 0])
    assert not damaged_files.is_beginning(type(whole[name])((other,)), name)
