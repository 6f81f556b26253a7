"""Isotopes: named in a run file, an option or a start geometry, they move with their own mass."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from nadyn import shipped
from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.dynamics.initial import InitialSection, sample
from nadyn.dynamics.run.loop import run
from nadyn.models import load_model
from nadyn.models.analytic import analytic_model
from nadyn.models.isotopes import with_isotopes
from nadyn.structures import isotope_mass, masses
from nadyn.trajectory import open_run
from nadyn.units import ANGSTROM_PER_BOHR

MODEL = shipped.path("ammonia/ammonia.safetensors")
DEUTERIUM = isotope_mass("H", 2)


@pytest.fixture(scope="module")
def ammonia():
    return load_model(MODEL)


def test_an_element_or_an_atom_is_replaced_and_the_surfaces_stay(ammonia):
    hydrogen, nitrogen = ammonia.atomic_numbers.index(1), ammonia.atomic_numbers.index(7)
    usual = masses(ammonia.atomic_numbers)
    one = with_isotopes(ammonia, {hydrogen: 3, "N": 15})
    found = one.masses.numpy()
    assert found[hydrogen] == isotope_mass("H", 3) and found[nitrogen] == isotope_mass("N", 15)
    assert (found == usual).sum() == 2
    both = with_isotopes(ammonia, {hydrogen: 3, "H": 2}).masses.numpy()
    assert sorted(both)[:3] == [DEUTERIUM, DEUTERIUM, isotope_mass("H", 3)]
    positions = ammonia.starting_geometry[None]
    for name in ("hamiltonian", "novelty"):
        assert torch.equal(getattr(one.evaluate(positions), name), getattr(ammonia.evaluate(positions), name))


@pytest.mark.parametrize(
    ("isotopes", "sentence"),
    [
        ({"H": 4}, "the isotope of H must be one of 1, 2, 3, but is 4"),
        ({"C": 13}, "it has no C"),
        ({"Xx": 1}, "counted from 0.*, but names 'Xx'. Write {H: 2} for all hydrogens, or {4: 2} for atom 4"),
        ({"D": 2}, "but names 'D'. Write {H: 2} for every H, or name an atom, as in {0: 2}"),
        ({"T": 3}, "but names 'T'. Write {H: 3} for every H"),
        ({"15N": 1}, "but names '15N'. Write {N: 15} for every N"),
        ({"n-15": 1}, "but names 'n-15'. Write {N: 15} for every N"),
        ({9: 2}, "must name atoms from 0 to 3, but names 9"),
    ],
)
def test_isotopes_that_are_not_there_are_refused(ammonia, isotopes, sentence):
    with pytest.raises(InputError, match=sentence):
        with_isotopes(ammonia, isotopes)


def test_a_model_with_masses_of_its_own_has_no_isotopes():
    with pytest.raises(InputError, match="must be left out for model tully-1, which has masses of its own"):
        with_isotopes(analytic_model({"name": "tully", "variant": 1}), {"H": 2})


def content(folder, **changes):
    return {
        "model": str(MODEL),
        "initial": {"sample": "wigner", "n": 3, "state": 0},
        "method": "nve",
        "dt_fs": 0.2,
        "time_fs": 0.4,
        "output": str(folder / "run.h5"),
    } | changes


def test_a_run_samples_and_moves_the_isotopes_of_its_file(tmp_path):
    run(content(tmp_path, isotopes={"H": 2}))
    found = open_run(tmp_path / "run.h5")
    assert (np.sort(found.masses)[:3] == DEUTERIUM).all()
    # Heavier atoms have smaller zero-point velocities: the kinetic energy is that of the stored masses.
    kinetic = (found.momenta[0] ** 2 / (2 * found.masses[:, None])).sum(axis=(1, 2))
    np.testing.assert_allclose(found.kinetic_energy[0], kinetic, rtol=1e-12)
    moved = found.positions[1] - found.positions[0]
    run(content(tmp_path, output=str(tmp_path / "light.h5")))
    before = open_run(tmp_path / "light.h5")
    assert (moved**2).sum() < 0.8 * ((before.positions[1] - before.positions[0]) ** 2).sum()


def write_geometry(path, model, symbols):
    rows = (model.starting_geometry * ANGSTROM_PER_BOHR).tolist()
    text = "".join(f"{s} {x} {y} {z}\n" for s, (x, y, z) in zip(symbols, rows, strict=True))
    path.write_text(f"{len(rows)}\n\n{text}")


def test_a_start_geometry_with_deuterium_is_one_of_deuterium(ammonia, tmp_path):
    path = tmp_path / "start.xyz"
    write_geometry(path, ammonia, ["N" if z == 7 else "D" for z in ammonia.atomic_numbers])
    section = InitialSection(sample="wigner", n=2, geometry=str(path))
    found = sample(ammonia, section, seed=1)
    expected = sample(with_isotopes(ammonia, {"H": 2}), InitialSection(sample="wigner", n=2), seed=1)
    np.testing.assert_array_equal(found.masses, expected.masses)
    assert (np.sort(found.masses)[:3] == DEUTERIUM).all()
    run(content(tmp_path, initial={"sample": "wigner", "n": 2, "geometry": str(path)}))
    np.testing.assert_array_equal(open_run(tmp_path / "run.h5").masses, found.masses)


@pytest.fixture
def typed(capsys):
    def type_command(*arguments):
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        return caught.value.code, " ".join("".join(capsys.readouterr()).split())

    return type_command


def test_a_sample_of_isotopes_starts_a_run_of_them(typed, tmp_path):
    target = tmp_path / "initial.h5"
    code, _ = typed("sample", MODEL, "--n", "3", "--isotope", "H=2", "-o", target)
    assert code == 0
    files = {"initial": {"file": str(target)}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content(tmp_path, **files)))
    code, said = typed("run", tmp_path / "run.yaml")
    assert code == 0 and "the masses are those of" in said and "2.014" in said
    assert (np.sort(open_run(tmp_path / "run.h5").masses)[:3] == DEUTERIUM).all()
    (tmp_path / "other.yaml").write_text(
        yaml.safe_dump(content(tmp_path, **files, isotopes={"H": 3}, output=str(tmp_path / "other.h5")))
    )
    code, said = typed("run", tmp_path / "other.yaml")
    assert code == 2 and "must be for the atoms and masses of model" in said


def test_a_sample_follows_the_isotopes_of_a_run_file(typed, tmp_path):
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(content(tmp_path, isotopes={"H": 2})))
    assert typed("sample", tmp_path / "run.yaml", "--n", "2", "-o", tmp_path / "a.h5")[0] == 0
    code, out = typed("sample", MODEL, "--n", "2", "--isotope", "H2", "-o", tmp_path / "b.h5")
    assert code == 2 and "`--isotope` must be an element or atom and a mass number" in out


def test_another_molecule_of_a_model_begins_with_the_usual_masses(ammonia):
    heavy = with_isotopes(ammonia, {"H": 2})
    assert not heavy.for_atoms((1, 7)).own_masses
    assert replace(heavy, own_masses=()).masses.tolist() == ammonia.masses.tolist()
