"""The numbers about a dataset against plain loops."""

import ase
import ase.neighborlist
import numpy as np
import pytest

from nadyn.data import group_from_arrays, load_dataset
from nadyn.data.readers.extxyz import read_extxyz
from nadyn.data.statistics import group_statistics, statistics
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE, EV_PER_ANGSTROM_PER_AU


def test_numbers_of_a_real_molecule_are_those_of_plain_loops(fixtures):
    dataset = load_dataset(fixtures / "butene_60_frames.h5")
    group = dataset.groups[0]
    (numbers,) = statistics(dataset)
    gaps = [(e[1] - e[0]) * ELECTRONVOLT_PER_HARTREE for e in group.energies]
    norms = [np.linalg.norm(h) * EV_PER_ANGSTROM_PER_AU for h in group.interstate_couplings[:, 0]]
    assert (numbers.name, numbers.n_frames, numbers.n_atoms, numbers.n_states) == (
        "hexafluorobutene",
        60,
        12,
        2,
    )
    assert numbers.n_labelled == {"energies": 60, "forces": 60, "interstate_couplings": 60}
    assert numbers.gap_min_ev == pytest.approx(min(gaps))
    assert numbers.n_near == sum(gap < 0.3 for gap in gaps)
    assert numbers.coupling_max_frame == [int(np.argmax(norms))]
    assert numbers.coupling_max_ev_per_angstrom == pytest.approx([max(norms)])
    assert numbers.coupling_median_ev_per_angstrom == pytest.approx([np.median(norms)])
    for state in (0, 1):
        energies = group.energies[:, state] * ELECTRONVOLT_PER_HARTREE
        assert numbers.energy_min_ev[state] == pytest.approx(energies.min())
        assert numbers.energy_max_ev[state] == pytest.approx(energies.max())
        assert numbers.energy_mean_ev[state] == pytest.approx(energies.mean())
        assert numbers.energy_std_ev[state] == pytest.approx(energies.std())
        rms = np.sqrt(np.mean(group.forces[:, state] ** 2)) * EV_PER_ANGSTROM_PER_AU
        assert numbers.force_rms_ev_per_angstrom[state] == pytest.approx(rms)
    shortest = {}
    for atoms in (ase.Atoms(group.atomic_numbers, frame * ANGSTROM_PER_BOHR) for frame in group.positions):
        distances = atoms.get_all_distances()
        for i, a in enumerate(atoms.symbols):
            for j, b in enumerate(atoms.symbols[:i]):
                key = tuple(sorted((a, b)))
                shortest[key] = min(shortest.get(key, np.inf), distances[i, j])
    found = {tuple(sorted(pair.split("-"))): value for pair, value in numbers.shortest_angstrom.items()}
    assert found == pytest.approx(shortest)


def test_shortest_distances_of_a_solid_include_images(fixtures):
    (group,) = read_extxyz(fixtures / "carbon_periodic_6_frames.xyz").groups
    expected = min(
        ase.neighborlist.neighbor_list(
            "d", ase.Atoms("C4", positions=positions, cell=cell, pbc=True), 6.0
        ).min()
        for positions, cell in zip(group.positions, group.cell, strict=True)
    )
    assert group_statistics(group).shortest_angstrom == pytest.approx({"C-C": expected * ANGSTROM_PER_BOHR})


def test_gaps_are_between_states_of_one_multiplicity(arrays, attributes):
    energies = np.tile([0.0, 0.5, 0.1, 0.4], (7, 1))
    energies[3] = [0.0, 0.2, 0.2, 0.9]
    group = group_from_arrays("x", **{**arrays, "energies": energies}, **attributes)
    numbers = group_statistics(group)
    assert numbers.gap_min_ev == pytest.approx(0.2 * ELECTRONVOLT_PER_HARTREE)
    assert numbers.n_near == 0


def test_missing_labels_are_not_counted(arrays, attributes):
    arrays["forces"][2:, 1] = np.nan
    arrays["forces"][6] = np.nan
    arrays["interstate_couplings"][:, 3] = np.nan
    arrays["interstate_couplings"][4] = np.nan
    numbers = group_statistics(group_from_arrays("x", **arrays, **attributes))
    assert numbers.n_labelled["forces"] == 6
    assert numbers.n_labelled["interstate_couplings"] == 6
    expected = np.sqrt(np.mean(arrays["forces"][:2, 1] ** 2)) * EV_PER_ANGSTROM_PER_AU
    assert numbers.force_rms_ev_per_angstrom[1] == pytest.approx(expected)
    assert numbers.coupling_max_frame[3] is None and numbers.coupling_max_frame[0] != 4
    assert np.isnan(numbers.coupling_median_ev_per_angstrom[3])


def test_one_state_has_neither_gaps_nor_couplings(fixtures):
    (numbers,) = statistics(load_dataset(fixtures / "ethanol_60_frames.h5"))
    assert numbers.gap_min_ev is None
    assert numbers.coupling_max_frame == []
