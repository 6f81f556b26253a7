"""Normal modes of a Molden file: OpenMolcas's own, in each way of scaling, and what is refused."""

import re

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.dynamics.initial.file_modes import sample_file_modes
from nadyn.dynamics.initial.molden import is_molden, read_molden_modes
from nadyn.dynamics.initial.normal_modes import rigid_motions
from nadyn.dynamics.initial.section import InitialSection
from nadyn.trajectory.initial_conditions import read_initial_conditions
from nadyn.units import INVERSE_CM_PER_HARTREE


@pytest.fixture(scope="module")
def water(request):
    return request.config.rootpath / "tests/data/fixtures/water_6-31g.freq.molden"


def test_vibrations_of_water_and_no_rigid_motion(water):
    assert is_molden(water)
    found = read_molden_modes(water)
    modes = found.modes
    np.testing.assert_allclose(
        modes.frequencies * INVERSE_CM_PER_HARTREE,
        [1775.146508595152, 3923.6791584485914, 4063.0392069213003],
    )
    vectors = modes.vectors.reshape(3, 9)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(3), atol=1e-12)
    rigid = rigid_motions(modes.centre, modes.masses, laws={"translation", "rotation"})
    assert np.abs(vectors @ rigid.T).max() < 1e-12
    # The stretches: the O of the antisymmetric one moves along y, that of the symmetric one along z.
    assert np.abs(modes.vectors[2, 0]).argmax() == 1 and np.abs(modes.vectors[1, 0]).argmax() == 2
    np.testing.assert_allclose((modes.masses[:, None] * modes.centre).sum(axis=0), 0, atol=1e-8)


def rewritten(water, tmp_path, change):
    """The file with displacements (mode, atom, 3) and frequencies changed."""
    head, _, rest = water.read_text().partition("[FR-NORM-COORD]")
    parts = re.split(r"vibration +\d+", rest.partition("[RMASS]")[0])[1:]
    vectors = np.array([[float(x) for x in part.split()] for part in parts]).reshape(-1, 3, 3)
    text = "".join(
        f" vibration {k + 1}\n" + "".join(" ".join(f"{x:.12f}" for x in row) + "\n" for row in mode)
        for k, mode in enumerate(change(vectors))
    )
    (tmp_path / "w.molden").write_text(f"{head}[FR-NORM-COORD]\n{text}")
    return tmp_path / "w.molden"


MASSES = np.array([15.99491462, 1.00782503, 1.00782503])


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v[6:],
        lambda v: v * np.sqrt(MASSES)[None, :, None],
        lambda v: v * np.arange(1, 10)[:, None, None],
    ],
    ids=["vibrations only", "mass-weighted", "any length"],
)
def test_each_way_of_scaling_is_the_same_modes(water, tmp_path, change):
    path = rewritten(water, tmp_path, change)
    if len(change(np.ones((9, 3, 3)))) == 3:
        text = path.read_text()
        numbers = text.partition("[FREQ]")[2].partition("[INT]")[0].split()
        path.write_text(text.replace("\n".join(numbers[:6]), "").replace(numbers[0], ""))
        for word in numbers[:6]:
            path.write_text(path.read_text().replace(word, ""))
    plain, other = read_molden_modes(water).modes, read_molden_modes(path).modes
    np.testing.assert_allclose(other.frequencies, plain.frequencies)
    overlap = np.abs((plain.vectors * other.vectors).sum(axis=(1, 2)))
    np.testing.assert_allclose(overlap, 1.0, atol=1e-6)


def test_a_sample_has_the_widths_of_its_oscillators(water):
    found = read_molden_modes(water)
    section = InitialSection(sample="wigner", n=4000, state=1)
    initial = sample_file_modes(found, section, seed=3, name="w")
    root = np.sqrt(found.modes.masses)[:, None]
    q = ((initial.positions - found.modes.centre) * root).reshape(4000, 9) @ found.modes.vectors.reshape(
        3, 9
    ).T
    # <q²> = 1/2ω, with a relative standard error of √(2/n).
    np.testing.assert_allclose(q.var(axis=0) * 2 * found.modes.frequencies, 1.0, atol=3 * np.sqrt(2 / 4000))
    assert initial.state == 1 and initial.atomic_numbers.tolist() == [8, 1, 1]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda text: text.partition("[FR-NORM-COORD]")[0], r"must have a section \[FR-NORM-COORD\]"),
        (
            lambda text: text.replace("4063.0392069213003", "-406.0"),
            "but one of the vibrations is -406.0 cm-1",
        ),
        (
            lambda text: text.rpartition("vibration")[0] + "[RMASS]\n",
            "for each of 9 frequencies, but does not",
        ),
        (lambda text: text.replace("-0.61018", " 0.61018"), "that are orthogonal"),
        (lambda text: text.replace("3923.679", "x"), "must hold numbers"),
        (lambda text: text.replace("  O   0.0", "  Qq  0.0"), "Qq"),
    ],
)
def test_a_file_that_cannot_be_used(water, tmp_path, change, complaint):
    (tmp_path / "w.molden").write_text(change(water.read_text()))
    with pytest.raises(InputError, match=complaint):
        read_molden_modes(tmp_path / "w.molden")


def command(*words):
    with pytest.raises(SystemExit) as left:
        main(list(map(str, words)))
    return left.value.code


def test_the_command_samples_it_without_a_model(water, tmp_path, capsys):
    assert command("sample", water, "--n", 7, "--state", 1, "--output", tmp_path / "i.h5") == 0
    assert "1775.1, 3923.7, 4063.0" in capsys.readouterr().out
    assert len(read_initial_conditions(tmp_path / "i.h5").weight) == 7
    assert command("sample", water, "--n", 7, "--isotope", "H=2", "--output", tmp_path / "j.h5") == 2
    assert "`--isotope` must be left out for a file of vibrations" in capsys.readouterr().err
