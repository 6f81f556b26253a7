"""QM.in and QM.out of SHARC: what is asked, and what is read of the answer."""

import numpy as np
import pytest
from sharc_texts import qm_out

from nadyn.checks.errors import InputError
from nadyn.data.readers.sharc_output import qm_in, read_qm_out
from nadyn.data.readers.sharc_states import counts_of, multiplicities_of

COUNTS, SPINS = (2, 0, 2), (1, 1, 3, 3)
N_ATOMS, N_STATES = 5, 4
RANDOM = np.random.default_rng(8)
ENERGIES = np.array([-78.1, -77.8, -77.9, -77.7])
FORCES = RANDOM.normal(size=(N_STATES, N_ATOMS, 3))
D = RANDOM.normal(size=(N_STATES, N_STATES, N_ATOMS, 3))
D = D - D.transpose(1, 0, 2, 3)
DIPOLES = RANDOM.normal(size=(N_STATES, N_STATES, 3))
DIPOLES = DIPOLES + DIPOLES.transpose(1, 0, 2)
ALL = ("forces", "interstate_couplings", "dipoles")
TEXT = qm_out(COUNTS, ENERGIES, FORCES, D, DIPOLES)


def _read(tmp_path, text, requests=ALL, spins=SPINS, n_atoms=N_ATOMS):
    path = tmp_path / "QM.out"
    path.write_text(text)
    return read_qm_out(path, multiplicities=spins, n_atoms=n_atoms, requests=requests)


def test_qm_in_has_what_both_versions_of_sharc_need():
    positions = RANDOM.normal(size=(2, 3))
    text = qm_in((6, 17), positions, multiplicities=SPINS, charge=0, requests=ALL, comment="one")
    lines = text.splitlines()
    assert lines[:2] == ["2", "one"]
    atoms = [line.split() for line in lines[2:4]]
    assert [atom[0] for atom in atoms] == ["C", "Cl"]
    np.testing.assert_allclose([[float(x) for x in atom[1:]] for atom in atoms], positions, atol=1e-12)
    assert lines[4:] == [
        "unit bohr",
        "states 2 0 2",
        "charge 0 1 0",
        "init",
        "step 0",
        "savedir ./SAVEDIR",
        "h",
        "grad all",
        "nacdr",
        "dm",
    ]


def test_states_are_counted_as_sharc_counts_them():
    assert multiplicities_of([2, 0, 1]) == (1, 1, 3)
    assert counts_of((2, 2, 4)) == (0, 2, 0, 1)


@pytest.mark.parametrize("version", [3, 4])
def test_every_state_is_read_once_whatever_its_components(tmp_path, version):
    found = _read(tmp_path, qm_out(COUNTS, ENERGIES, FORCES, D, DIPOLES, version=version))
    np.testing.assert_allclose(found.arrays["energies"], ENERGIES, rtol=1e-11)
    np.testing.assert_allclose(found.arrays["forces"], FORCES, rtol=1e-11)
    assert found.seconds == 12.0
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    for pair, (k, l) in enumerate(pairs):
        h = found.arrays["interstate_couplings"][pair]
        if SPINS[k] == SPINS[l]:
            np.testing.assert_allclose(h, D[k, l] * (ENERGIES[l] - ENERGIES[k]), rtol=1e-9)
            np.testing.assert_allclose(found.arrays["dipoles"][k, l], DIPOLES[k, l], rtol=1e-11)
        else:
            assert np.isnan(h).all()
            assert np.isnan(found.arrays["dipoles"][k, l]).all()


def test_only_what_was_asked_for_is_read(tmp_path):
    found = _read(tmp_path, qm_out(COUNTS, ENERGIES, FORCES), requests=("forces",))
    assert set(found.arrays) == {"energies", "forces"}


def test_a_gradient_of_zeros_was_not_computed(tmp_path):
    forces = FORCES.copy()
    forces[1] = 0.0
    found = _read(tmp_path, qm_out(COUNTS, ENERGIES, forces), requests=("forces",))
    assert np.isfinite(found.arrays["forces"]).all(axis=(1, 2)).tolist() == [True, False, True, True]


def test_no_beginning_of_a_file_is_read(tmp_path):
    ends = {0, 1, len(TEXT) // 2, TEXT.index("! 3"), TEXT.index("! 8"), *range(len(TEXT) - 14, len(TEXT))}
    assert [end for end in sorted(ends) if _read(tmp_path, TEXT[:end]) is not None] == []
    assert _read(tmp_path, TEXT) is not None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            qm_out(COUNTS, ENERGIES, FORCES, None, DIPOLES),
            "`! 5 Non-adiabatic couplings .ddr.` must be there",
        ),
        (qm_out((2, 0, 1), ENERGIES, FORCES, D, DIPOLES), "Check the states and the atoms"),
        (qm_out((4,), ENERGIES, FORCES, D, DIPOLES, version=4), "`states` must be 2 0 2 as asked, but are 4"),
        (qm_out(COUNTS, ENERGIES, FORCES[:, :4], D[:, :, :4], DIPOLES), "Check the states and the atoms"),
        (qm_out(COUNTS, 0 * ENERGIES, FORCES, D, DIPOLES), "all are 0"),
        (TEXT.replace(TEXT.splitlines()[2].split()[0], "*" * 18, 1), "must hold numbers"),
        (TEXT.replace(TEXT.splitlines()[2].split()[0], "NaN", 1), "must hold finite numbers"),
        (TEXT.replace("! 8", "1.0 2.0 3.0\n! 8"), "goes on"),
    ],
)
def test_a_wrong_answer_is_refused_with_the_name_of_the_file(tmp_path, text, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        _read(tmp_path, text)
    assert str(tmp_path / "QM.out") in str(caught.value)
