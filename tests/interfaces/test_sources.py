"""The table of label sources."""

import pytest

from nadyn.checks.errors import InputError
from nadyn.electronic.labels import LabelSource
from nadyn.interfaces.sources import SOURCES, source_from, source_section

WATER = (8, 1, 1)


@pytest.mark.parametrize(
    ("configuration", "atoms"),
    [
        ({"ase": {"calculator": "emt"}}, WATER),
        ({"python": {"function": "surfaces.py:label", "theory": "none"}}, WATER),
        ({"folder": {"folder": "asked", "theory": "none", "states": [2]}}, WATER),
        ({"model": {"model": {"name": "sulfur_dioxide", "variant": "singlets"}}}, (16, 8, 8)),
    ],
)
def test_every_source_is_built_by_its_name_with_paths_beside_its_file(tmp_path, configuration, atoms):
    (tmp_path / "surfaces.py").write_text("def label(positions):\n    return {}\n")
    source = source_from(configuration, atoms, folder=tmp_path)
    assert isinstance(source, LabelSource)
    assert source.atomic_numbers == atoms
    assert source.name in configuration
    assert len(source.multiplicities) >= 1
    assert source.theory


@pytest.mark.parametrize("name", SOURCES)
def test_an_unknown_key_of_a_source_is_refused_with_its_place(name):
    with pytest.raises(InputError, match=rf"`source`: {name}: `colour` is not a known key"):
        source_section({name: {"colour": "red"}})


@pytest.mark.parametrize(
    ("configuration", "sentence"),
    [
        ({}, "must hold one key, the name of a source"),
        ({"pyscff": {}}, "Did you mean pyscf"),
        ({"ase": {}, "python": {}}, "must hold one key"),
    ],
)
def test_no_source_or_two_are_refused(configuration, sentence):
    with pytest.raises(InputError, match=sentence):
        source_section(configuration)
