"""Forces that contradict the energies are noticed, and right ones are left alone."""

import warnings
from dataclasses import replace

import h5py
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from slow_cases import slow_where

from nadyn import shipped
from nadyn.checks.errors import InputWarning
from nadyn.data import group_from_arrays, load_dataset
from nadyn.data.label_checks.force_sign import contradiction, force_agreement
from nadyn.units import ELECTRONVOLT_PER_HARTREE

REAL = ["butene_60_frames.h5", "ethanol_60_frames.h5"]


@pytest.fixture(params=REAL)
def file(request, fixtures):
    return fixtures / request.param


@pytest.fixture
def group(file):
    return load_dataset(file).groups[0]


def test_real_forces_explain_the_energies(group):
    assert contradiction(group) is None
    for agreement in force_agreement(group):
        assert agreement.correlation > 0.8
        assert agreement.slope == pytest.approx(1.0, abs=0.2)


def test_the_opposite_sign_is_warned_of_when_a_file_is_read(tmp_path, file, group):
    path = tmp_path / "flipped.h5"
    path.write_bytes(file.read_bytes())
    with h5py.File(path, "r+") as content:
        content[f"{group.name}/forces"][...] = -content[f"{group.name}/forces"][...]
    with pytest.warns(InputWarning, match=r"those of state 0 point uphill .* Then use -forces"):
        load_dataset(path)


def test_the_state_with_the_wrong_sign_is_named(fixtures):
    group = load_dataset(fixtures / "butene_60_frames.h5").groups[0]
    forces = group.forces * np.array([1, -1])[:, None, None]
    assert "those of state 1 point uphill" in contradiction(replace(group, forces=forces))


@pytest.mark.parametrize("factor", [ELECTRONVOLT_PER_HARTREE, 1 / ELECTRONVOLT_PER_HARTREE])
def test_a_wrong_unit_is_warned_of(group, factor):
    sentence = contradiction(
        replace(group, forces=group.forces[:, :1] * factor, energies=group.energies[:, :1])
    )
    assert "Check both units" in sentence


def springs(n_frames, seed):
    """A molecule of five atoms held by springs between like pairs, with its exact energies and forces."""
    random = np.random.default_rng(seed)
    numbers = np.array([6, 1, 1, 1, 1])
    rest = np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 1.2
    positions = rest + 0.15 * random.normal(size=(n_frames, 5, 3))
    energies, forces = np.zeros(n_frames), np.zeros_like(positions)
    for i in range(5):
        for j in range(i):
            vector = positions[:, i] - positions[:, j]
            length = np.linalg.norm(vector, axis=1)
            stretch = length - np.linalg.norm(rest[i] - rest[j])
            energies += 0.1 * stretch**2
            force = -0.2 * (stretch / length)[:, None] * vector
            forces[:, i] += force
            forces[:, j] -= force
    return numbers, positions, energies, forces


def three_bonds(n_frames, seed):
    """Three bonds, each in any direction, far from each other, with exact energies and forces."""
    random = np.random.default_rng(seed)
    positions, forces = np.zeros((n_frames, 6, 3)), np.zeros((n_frames, 6, 3))
    energies = np.zeros(n_frames)
    for first, centre in ((0, [0.0, 0.0, 0.0]), (2, [12.0, 0.0, 0.0]), (4, [0.0, 12.0, 0.0])):
        direction = random.normal(size=(n_frames, 3))
        direction /= np.linalg.norm(direction, axis=1)[:, None]
        stretch = 0.1 * random.normal(size=n_frames)
        positions[:, first] = centre
        positions[:, first + 1] = positions[:, first] + (2.0 + stretch)[:, None] * direction
        energies += 0.25 * stretch**2
        forces[:, first] = 0.5 * stretch[:, None] * direction
        forces[:, first + 1] = -forces[:, first]
    return np.array([9, 1, 9, 1, 9, 1]), positions, energies, forces


@pytest.mark.parametrize("seed", range(4))
def test_right_forces_of_molecules_that_turn_beside_each_other_are_no_alarm(seed):
    """A straight way between two directions of a bond squeezes it: the forces cannot be judged from there."""
    numbers, positions, energies, forces = three_bonds(60, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        group_from_arrays(
            "bonds",
            atomic_numbers=numbers,
            positions=positions,
            energies=energies[:, None],
            forces=forces[:, None],
            multiplicities=[1],
            charge=0,
        )


def test_like_atoms_in_any_order_and_rotated_frames_are_compared():
    numbers, positions, energies, forces = springs(300, seed=2)
    random = np.random.default_rng(3)
    for frame in range(300):
        order = np.concatenate([[0], 1 + random.permutation(4)])
        turn = Rotation.random(random_state=frame).as_matrix() * random.choice([-1, 1])
        positions[frame] = positions[frame, order] @ turn + random.normal(size=3)
        forces[frame] = forces[frame, order] @ turn
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        group = group_from_arrays(
            "springs",
            atomic_numbers=numbers,
            positions=positions,
            energies=energies[:, None],
            forces=forces[:, None],
        )
    (agreement,) = force_agreement(group)
    assert agreement.correlation > 0.9
    assert "uphill" in contradiction(replace(group, forces=-group.forces))


def test_right_forces_are_no_alarm_however_few_frames_there_are():
    alarms = 0
    for seed in range(12):
        numbers, positions, energies, forces = springs(60, seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            group = group_from_arrays(
                "springs",
                atomic_numbers=numbers,
                positions=positions,
                energies=energies[:, None],
                forces=forces[:, None],
            )
        alarms += contradiction(group) is not None
    assert alarms == 0


def exchanged(group, what):
    """Return the forces of a group with the named exchange."""
    forces, random = group.forces, np.random.default_rng(1)
    if what == "frames shuffled":
        return forces[random.permutation(group.n_frames)]
    if what == "half of the frames shuffled":
        result, half = forces.copy(), random.permutation(group.n_frames)[: group.n_frames // 2]
        result[half] = forces[random.permutation(half)]
        return result
    if what == "atoms rolled":
        return np.roll(forces, 1, axis=2)
    if what == "like atoms rolled":
        order = np.arange(group.n_atoms)
        for number in np.unique(group.atomic_numbers):
            like = np.flatnonzero(group.atomic_numbers == number)
            order[like] = np.roll(like, 1)
        return forces[:, :, order]
    return forces[:, ::-1] if what == "states swapped" else forces[:, [0] * group.n_states]


WRONG = {
    "frames shuffled": "do not explain them",
    "half of the frames shuffled": "do not explain them",
    "atoms rolled": "do not explain them",
    "like atoms rolled": "do not explain them",
    "states swapped": "Have states changed places",
    "those of the lowest state in all": "states 0 and 1 have the same ones in 200 of 200 frames",
}


# The nineteen pairs of neighbours among sixty frames cannot tell their order.
@pytest.mark.parametrize(
    ("name", "what", "sentence"),
    slow_where(
        lambda name, what, sentence: name.startswith("ammonia") and "rolled" in what,
        [("ammonia/ammonia.h5", *one) for one in WRONG.items()]
        + [("butene_60_frames.h5", *one) for one in WRONG.items() if "shuffled" not in one[0]],
    ),
)
def test_labels_in_a_wrong_order_are_noticed(fixtures, name, what, sentence):
    path = fixtures / name if "/" not in name else shipped.path(name)
    group = load_dataset(path).groups[0]
    group = group.select(np.linspace(0, group.n_frames - 1, min(200, group.n_frames)).astype(int))
    assert contradiction(group) is None
    found = contradiction(replace(group, forces=exchanged(group, what)))
    assert sentence.replace("200", str(group.n_frames)) in found


def test_forces_that_nobody_computed_are_not_zero(fixtures):
    group = load_dataset(fixtures / "butene_60_frames.h5").groups[0]
    forces = group.forces.copy()
    forces[10:, 1] = 0.0
    assert "those of state 1 are all zero in 50 of 60 frames (10, 11," in contradiction(
        replace(group, forces=forces)
    )


def test_no_verdict_without_enough_to_judge(group):
    assert force_agreement(group.select(range(6))) == (None,) * group.n_states
    assert force_agreement(replace(group, forces=None)) == (None,) * group.n_states
    same = group.select([0] * 20)
    assert force_agreement(same) == (None,) * group.n_states
    assert contradiction(same) is None


def test_missing_forces_are_left_out_of_the_verdict(fixtures):
    group = load_dataset(fixtures / "butene_60_frames.h5").groups[0]
    forces = group.forces.copy()
    forces[:, 1] = np.nan
    first, second = force_agreement(replace(group, forces=forces))
    assert first.correlation > 0.8
    assert second is None
