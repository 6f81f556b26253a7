"""Files as SHARC and Newton-X write them become the dataset that they were written from."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from nadyn.data import Dataset, group_from_arrays, load_dataset

EXAMPLE = Path(__file__).parents[2] / "examples" / "06_from_other_programs.py"
N_FRAMES, N_ATOMS, N_STATES = 2, 4, 3
SYMBOLS = "CHHO"
PAIRS = [(0, 1), (0, 2), (1, 2)]

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


@pytest.fixture
def expected():
    random = np.random.default_rng(5)
    return group_from_arrays(
        "molecule",
        atomic_numbers=[6, 1, 1, 8],
        positions=random.normal(size=(N_FRAMES, N_ATOMS, 3)) * 3.0,
        energies=np.sort(random.normal(size=(N_FRAMES, N_STATES)), axis=1),
        forces=random.normal(size=(N_FRAMES, N_STATES, N_ATOMS, 3)),
        interstate_couplings=random.normal(size=(N_FRAMES, len(PAIRS), N_ATOMS, 3)),
    )


def _rows(array):
    return "\n".join(" ".join(f"{x: .15e}" for x in row) for row in array) + "\n"


def _derivative(group, frame):
    """d_kl = h_kl / (E_l - E_k), antisymmetric in the states."""
    derivative = np.zeros((N_STATES, N_STATES, N_ATOMS, 3))
    for pair, (k, l) in enumerate(PAIRS):
        gap = group.energies[frame, l] - group.energies[frame, k]
        derivative[k, l] = group.interstate_couplings[frame, pair] / gap
        derivative[l, k] = -derivative[k, l]
    return derivative


def _sharc(group, folder):
    paths = []
    for frame in range(N_FRAMES):
        path = folder / f"geometry_{frame}"
        path.mkdir()
        atoms = "".join(f"{s} {_rows([x])}" for s, x in zip(SYMBOLS, group.positions[frame], strict=True))
        (path / "QM.in").write_text(f"{N_ATOMS}\ncomment\n{atoms}unit bohr\nstates {N_STATES}\nh\ngrad\n")
        hamiltonian = np.zeros((N_STATES, 2 * N_STATES))
        hamiltonian[range(N_STATES), range(0, 2 * N_STATES, 2)] = group.energies[frame]
        text = f"! 1 Hamiltonian Matrix (3x3, complex)\n3 3\n{_rows(hamiltonian)}\n"
        text += "! 3 Gradient Vectors (3x4x3, real)\n"
        for state in range(N_STATES):
            text += f"{N_ATOMS} 3 ! m1 1 s1 {state + 1} ms1 0\n{_rows(-group.forces[frame, state])}"
        text += "\n! 5 Non-adiabatic couplings (ddr) (3x3x4x3, real)\n"
        for k in range(N_STATES):
            for l in range(N_STATES):
                header = f"{N_ATOMS} 3 ! m1 1 s1 {k + 1} ms1 0   m2 1 s2 {l + 1} ms2 0\n"
                text += header + _rows(_derivative(group, frame)[k, l])
        (path / "QM.out").write_text(text + "\n! 8 Runtime\n1.2E+00\n")
        paths.append(path)
    return paths


def _newton_x(group, folder):
    paths = []
    for frame in range(N_FRAMES):
        path = folder / f"TRAJ{frame}"
        path.mkdir()
        lines = [
            f" {s} {z:.1f} {_rows([x]).strip()} 12.0"
            for s, z, x in zip(SYMBOLS, group.atomic_numbers, group.positions[frame], strict=True)
        ]
        (path / "geom").write_text("\n".join(lines) + "\n")
        (path / "epot").write_text(_rows(group.energies[frame][:, None]))
        (path / "grad.all").write_text(_rows(-group.forces[frame].reshape(-1, 3)))
        derivative = _derivative(group, frame)
        (path / "nad_vectors").write_text(
            "".join(_rows(derivative[k, l]) for k, l in ((1, 0), (2, 0), (2, 1)))
        )
        paths.append(path)
    return paths


@pytest.mark.parametrize(("program", "write"), [("sharc", _sharc), ("newton-x", _newton_x)])
def test_output_becomes_the_dataset_that_it_came_from(
    expected, tmp_path, monkeypatch, capsys, program, write
):
    output = tmp_path / "data.h5"
    arguments = [program, *map(str, write(expected, tmp_path)), "--output", str(output)]
    monkeypatch.setattr("sys.argv", ["06_from_other_programs.py", *arguments])
    monkeypatch.setattr("warnings.filters", [("ignore", None, Warning, None, 0)])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert "2 frames, 4 atoms, 3 states" in capsys.readouterr().out
    group = load_dataset(output).groups[0]
    assert group.atomic_numbers.tolist() == [6, 1, 1, 8]
    for key in ("positions", "energies", "forces"):
        np.testing.assert_allclose(getattr(group, key), getattr(expected, key), rtol=1e-12, err_msg=key)
    # Of couplings the sign means nothing.
    difference = np.abs(group.interstate_couplings) - np.abs(expected.interstate_couplings)
    assert np.abs(difference).max() < 1e-12
    product = (group.interstate_couplings * expected.interstate_couplings).sum(axis=(2, 3))
    size = (expected.interstate_couplings**2).sum(axis=(2, 3))
    np.testing.assert_allclose(np.abs(product), size, rtol=1e-10)


def test_output_without_couplings_becomes_a_dataset_without(expected, tmp_path):
    module = runpy.run_path(str(EXAMPLE))
    folders = _newton_x(expected, tmp_path)
    (folders[1] / "nad_vectors").unlink()
    dataset = module["dataset_of"]([module["read_newton_x"](folder) for folder in folders], "molecule")
    assert isinstance(dataset, Dataset)
    assert dataset.groups[0].interstate_couplings is None
