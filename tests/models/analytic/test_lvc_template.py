"""Linear vibronic coupling models of SHARC's files."""

import shutil

import numpy as np
import pytest
import torch

from nadyn import shipped
from nadyn.checks.errors import InputError
from nadyn.models.analytic import analytic_model, read_lvc, sulfur_dioxide
from nadyn.models.spin_states import spin_states

FREQUENCIES = (0.0023635993, 0.0053089059, 0.0064027455)
TEMPLATE = shipped.path("sulfur_dioxide/triplets.template")


def _spin_free(q):
    """The six spin-free states of SO2 with the numbers of the template written out again."""
    q7, q8, q9 = q
    common = sum(0.5 * w * x * x for w, x in zip(FREQUENCIES, q, strict=True))
    w = np.zeros((6, 6))
    w[0, 0] = common
    w[1, 1] = common + 0.1640045037 + 1.19647e-03 * q7 + 1.21848e-02 * q8
    w[2, 2] = common + 0.1781507393 - 7.98767e-03 * q7 + 1.85494e-02 * q8
    w[3, 3] = common + 0.1341247878 + 2.87702e-03 * q7 + 8.19136e-03 * q8
    w[4, 4] = common + 0.1645714941 - 5.03345e-03 * q7 + 1.83566e-02 * q8
    w[5, 5] = common + 0.1700512159 - 8.05428e-03 * q7 + 1.86062e-02 * q8
    w[1, 2] = w[2, 1] = 7.32022e-03 * q9
    w[3, 5] = w[5, 3] = 5.71746e-03 * q9
    return w


@pytest.mark.parametrize("q", [(0.0, 0.0, 0.0), (1.3, -0.4, 0.9), (-2.0, 2.5, -1.1)])
def test_the_spin_free_matrix_is_that_of_the_template(q):
    model = sulfur_dioxide("triplets")
    matrix = model.evaluate(torch.tensor(q, dtype=torch.float64)[None, :, None]).hamiltonian[0]
    np.testing.assert_allclose(matrix.numpy(), _spin_free(q), rtol=1e-12, atol=1e-16)
    assert model.state_names == ("S0", "S1", "S2", "T1", "T2", "T3")
    singlets = sulfur_dioxide("singlets").evaluate(torch.tensor(q, dtype=torch.float64)[None, :, None])
    torch.testing.assert_close(singlets.hamiltonian[0], matrix[:3, :3])


def test_spin_adiabatic_energies_are_those_of_a_matrix_built_by_hand():
    """The 12×12 matrix filled element by element, in the order of SHARC's manual."""
    q = (0.8, -1.2, 0.5)
    model = sulfur_dioxide("triplets")
    lines = TEMPLATE.read_text().splitlines()
    start = lines.index("SOC R") + 1
    coupling = np.array([[float(word) for word in line.split()] for line in lines[start : start + 12]])
    spin_free = _spin_free(q)
    states = [(0, 0), (1, 0), (2, 0)] + [(3 + t, m) for m in (-1, 0, 1) for t in range(3)]
    matrix = coupling.astype(complex)
    for i, (a, ma) in enumerate(states):
        for j, (b, mb) in enumerate(states):
            if ma == mb and (a < 3) == (b < 3):
                matrix[i, j] += spin_free[a, b]
    hamiltonian = model.evaluate(torch.tensor(q, dtype=torch.float64)[None, :, None]).hamiltonian
    full = spin_states(model.multiplicities).expand(hamiltonian)[0] + model.spin_orbit
    energies = torch.linalg.eigvalsh(full).numpy()
    np.testing.assert_allclose(energies, np.linalg.eigvalsh(matrix), atol=1e-12)
    assert np.abs(energies - np.linalg.eigvalsh(matrix - coupling)).max() > 1e-6


def test_spin_orbit_matrix_and_dipoles_are_hermitian_and_those_of_the_file():
    model = sulfur_dioxide("triplets")
    assert torch.equal(model.spin_orbit, model.spin_orbit.mH)
    assert model.spin_orbit[0, 5].real == -1.5928947e-04
    assert model.dipoles.shape == (12, 12, 3)
    assert model.dipoles[0, 1, 0] == -1.6391500e-01
    assert model.dipoles[1, 2, 1] == 4.3871500e-01
    assert sulfur_dioxide("singlets").spin_orbit is None


def test_normal_coordinates_of_displaced_geometries():
    frame = sulfur_dioxide("singlets").frame
    assert frame.atomic_numbers == (16, 8, 8)
    generator = torch.Generator().manual_seed(2)
    q = torch.randn(4, 3, 1, generator=generator, dtype=torch.float64)
    geometry = frame.positions(q)
    torch.testing.assert_close(frame.coordinates(geometry), q, rtol=0, atol=2e-4)
    assert float(frame.coordinates(frame.reference[None]).abs().max()) == 0.0
    # A symmetric stretch leaves both bonds equal, the antisymmetric one does not.
    bonds = (geometry[:, 1:] - geometry[:, :1]).norm(dim=-1)
    stretched = frame.positions(torch.tensor([[[0.0], [1.0], [0.0]], [[0.0], [0.0], [1.0]]]).double())
    bonds = (stretched[:, 1:] - stretched[:, :1]).norm(dim=-1)
    assert float((bonds[0, 0] - bonds[0, 1]).abs()) < 1e-6
    assert float((bonds[1, 0] - bonds[1, 1]).abs()) > 0.05


def test_the_kinetic_energy_of_vibrations_is_the_same_in_both_coordinates():
    frame = sulfur_dioxide("singlets").frame
    velocity = torch.randn(5, 3, 1, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    # Cartesian velocities of a vibration: the difference of two geometries.
    cartesian = frame.positions(velocity) - frame.reference
    momenta = frame.masses[:, None] * cartesian
    kinetic = 0.5 * (momenta * cartesian).sum((1, 2))
    p = frame.momenta(momenta)
    torch.testing.assert_close(
        0.5 * (frame.frequencies[:, None] * p**2).sum((1, 2)), kinetic, rtol=1e-4, atol=0
    )
    # P is conjugate to Q: dQ/dt = ω P.
    torch.testing.assert_close(frame.frequencies[:, None] * p, velocity, rtol=0, atol=3e-4)


@pytest.fixture
def folder(tmp_path):
    for name in ("triplets.template", "V0.txt"):
        shutil.copy(shipped.path(f"sulfur_dioxide/{name}"), tmp_path / name)
    return tmp_path


def test_a_spin_orbit_coupling_has_an_imaginary_part_where_the_file_gives_one(folder):
    file = folder / "triplets.template"
    generator = np.random.default_rng(3)
    imaginary = generator.normal(size=(12, 12)) * 1e-4
    imaginary = imaginary - imaginary.T
    rows = "\n".join(" ".join(f"{x:.12e}" for x in row) for row in imaginary)
    file.write_text(file.read_text().replace("DMX R", f"SOC I\n{rows}\nDMX R"))
    model, plain = read_lvc(file), sulfur_dioxide("triplets")
    np.testing.assert_allclose(model.spin_orbit.imag, imaginary, atol=1e-15)
    assert torch.equal(model.spin_orbit.real, plain.spin_orbit.real)


def test_a_template_is_found_by_name_with_its_potential_beside_it(folder):
    model = analytic_model({"name": "lvc", "file": str(folder / "triplets.template")})
    assert model.name == "lvc-SO2"
    assert analytic_model({"name": "sulfur_dioxide", "variant": "singlets"}).n_states == 3


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("triplets.template", "V0.txt", "V1.txt", "must exist"),
        ("triplets.template", "3 0 3", "0 0 0", "must begin with the file of the potential"),
        ("triplets.template", "kappa", "gamma", "one is 'gamma'. Quadratic terms"),
        (
            "triplets.template",
            "kappa\n10",
            "kappa\n11",
            "section `kappa` must be there once and complete, but ends too early",
        ),
        (
            "triplets.template",
            "  1   2     7  ",
            "  1   2     7  1 ",
            "a line must have 3 indices and a value",
        ),
        ("triplets.template", "  1   2     7", "  1   4     7", "one is number 4 of multiplicity 1"),
        ("triplets.template", "  1   2     7", "  1   2     3", r"the vibrations of V0.txt \(7, 8, 9\)"),
        ("triplets.template", "  1   2   3     9", "  1   2   2     9", "must couple two states"),
        ("triplets.template", "epsilon\n6", "epsilon\nsix", "a line of numbers was expected"),
        ("triplets.template", "-1.5928947e-04", "-1.5928947e-03", "`SOC` must be Hermitian"),
        ("triplets.template", "SOC R", "SOC R\n 0.0 0.0", "must have 12 columns"),
        ("triplets.template", "DMY R", "DMX R", "is there twice"),
        ("V0.txt", "Frequencies", "Frequency", "must have the sections Geometry, Frequencies"),
        ("V0.txt", "0.0053089059", "-0.0053089059", "must have real frequencies"),
        ("V0.txt", "0.5320273170", "0.6320273170", "must be orthonormal"),
        ("V0.txt", "  0.0064027455", "", "must have element, charge, x, y, z and mass"),
        ("V0.txt", "31.97207180", "heavy", "must hold tables of numbers"),
    ],
)
def test_a_file_that_is_damaged_is_refused_in_one_sentence(folder, file, old, new, sentence):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=sentence):
        read_lvc(folder / "triplets.template")


def test_a_cut_file_is_refused(folder):
    text = (folder / "triplets.template").read_text().splitlines()
    (folder / "triplets.template").write_text("\n".join(text[:-1]))
    with pytest.raises(InputError, match="ends too early"):
        read_lvc(folder / "triplets.template")


def test_another_variant_of_sulfur_dioxide_is_refused():
    with pytest.raises(InputError, match="must be singlets or triplets, but is 'quintets'"):
        sulfur_dioxide("quintets")
