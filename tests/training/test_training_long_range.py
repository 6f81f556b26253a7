"""Training with what acts beyond the cutoff: formal charges, charges, dispersion of labels, refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.untrained import untrained

from nadyn.checks.errors import InputError
from nadyn.cli.error_tables import error_table
from nadyn.data import Dataset
from nadyn.data.validation import group_from_arrays
from nadyn.models.model_file import load_model
from nadyn.models.placement import Placement
from nadyn.models.terms.dispersion import Dispersion
from nadyn.training.build import build_network, elements_of, shortest_distances
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.evaluation import compare, constant_errors, metrics
from nadyn.training.long_range import check_long_range, formal_charges, to_be_learned, with_what_is_added
from nadyn.training.predictions import predict_together
from nadyn.training.quantities import compared
from nadyn.training.samples import samples_together
from nadyn.training.train import train

BOHR = 1.889726
CUTOFF = 5.0 * BOHR
SMALL = {"encoder": {"cutoff_angstrom": 5.0, "n_radial": 4, "n_channels": 3}, "batch_size": 5}


def _configuration(**model):
    return TrainingConfiguration(**SMALL, model={"hidden": [8], **model}, steps=3)


def _salt(distances=(5.0, 6.0, 14.0, 25.0), charge=0, numbers=(17, 11), far=1.0, name="salt", theory="toy"):
    """Chlorine and sodium; the second one has the charge `far`."""
    distances = np.array(distances)
    positions = np.zeros((len(distances), 2, 3))
    positions[:, 1, 0] = distances
    forces = np.zeros((len(distances), 1, 2, 3))
    forces[:, 0, 0, 0] = 1.0 / distances**2
    forces[:, 0, 1, 0] = -1.0 / distances**2
    return group_from_arrays(
        name,
        atomic_numbers=numbers,
        positions=positions,
        energies=-1.0 / distances[:, None],
        forces=forces,
        charges=np.tile([charge - far, far], (len(distances), 1)),
        charge=charge,
        theory=theory,
    )


def _water(n_frames=5, charge=0, name="water", theory="", shift=0.0):
    rng = np.random.default_rng(2)
    shape = np.array([[0.0, 0.0, 0.0], [1.8, 0.0, 0.0], [-0.5, 1.7, 0.0]])
    return group_from_arrays(
        name,
        atomic_numbers=[8, 1, 1],
        positions=shape + rng.normal(scale=0.1, size=(n_frames, 3, 3)),
        energies=rng.normal(scale=0.01, size=(n_frames, 1)) + shift,
        forces=rng.normal(scale=0.01, size=(n_frames, 1, 3, 3)),
        charge=charge,
        theory=theory,
    )


def _formal(*groups, **electrostatics):
    section = _configuration(electrostatics=electrostatics).model
    elements = elements_of(Dataset(groups))
    found = formal_charges(samples_together(groups), elements, section, CUTOFF)
    return dict(zip(elements, found.tolist(), strict=True))


def test_formal_charges_follow_from_fragments_or_from_charges_of_groups_or_are_given():
    assert _formal(_salt()) == {11: 1.0, 17: -1.0}
    assert _formal(_salt(distances=(5.0, 6.0))) == {11: 0.0, 17: 0.0}
    near = _salt(distances=(5.0, 6.0))
    assert _formal(near, formal_charges={"Na": 1}) == {11: 1.0, 17: -1.0}
    assert _formal(_water()) == {1: 0.0, 8: 0.0}
    hydronium = group_from_arrays(
        "hydronium",
        atomic_numbers=[8, 1, 1, 1],
        positions=np.eye(4, 3)[None] * 2.0,
        energies=np.zeros((1, 1)),
        charge=1,
    )
    assert _formal(_water(), hydronium) == {1: 1.0, 8: -2.0}


def test_a_lone_ion_has_its_charge_spread_over_its_elements_and_nothing_is_rounded_away():
    ammonium = group_from_arrays(
        "ammonium",
        atomic_numbers=[7, 1, 1, 1, 1],
        positions=np.vstack([np.zeros(3), np.eye(4, 3) * 1.9 - 0.9])[None],
        energies=np.zeros((1, 1)),
        charge=1,
    )
    # The shortest solution of z_N + 4 z_H = 1.
    assert _formal(ammonium) == pytest.approx({1: 4 / 17, 7: 1 / 17}, abs=1e-12)


def test_charges_that_no_formal_charges_give_are_refused():
    with pytest.raises(InputError, match=r"no such .* 'water\+' has \+1 e, and the nearest make \+0\.333 e"):
        _formal(_water(), _water(name="same"), _water(charge=1, name="water+"))
    with pytest.raises(InputError, match=r"'water' has \+0 e, and those given make \+3 e"):
        _formal(_water(), formal_charges={"H": 1, "O": 1})
    with pytest.raises(InputError, match=r"cutoff of 5 angstrom must have whole charges, but Na .* \+0.40 e"):
        _formal(_salt(far=0.4))
    with pytest.raises(InputError, match="must be of elements of the data"):
        _formal(_water(), formal_charges={"Na": 1})
    section = _configuration(electrostatics={}).model
    broken = replace(_salt(), charge=1)
    with pytest.raises(InputError, match=r"must add up to .* in frame 0 .* \+0.00 e and not \+1"):
        check_long_range(Dataset((broken,)), section)


def test_dispersion_is_refused_where_labels_have_one_and_taken_out_where_it_is_this_one():
    def check(theory, **dispersion):
        section = _configuration(dispersion={"functional": "pbe", **dispersion}).model
        check_long_range(Dataset((_water(theory=theory),)), section)

    check("PBE/def2-SVP")
    check("")
    check("PBE-D3(BJ)", in_labels=True)
    with pytest.raises(InputError, match=r"must not be added .* 'PBE-D4'\. Leave it out"):
        check("PBE-D4")
    with pytest.raises(InputError, match=r"'PBE-D3'.* `in_labels: true`: then it is taken out"):
        check("PBE-D3")
    with pytest.raises(InputError, match="must be false for labels without D3"):
        check("GFN2-xTB", in_labels=True)
    periodic = replace(_water(), pbc=np.array([True, True, False]), cell=np.tile(np.eye(3) * 20.0, (5, 1, 1)))
    with pytest.raises(InputError, match="the same in all three directions"):
        check_long_range(Dataset((periodic,)), _configuration(electrostatics={}).model)
    charged = replace(periodic, pbc=np.ones(3, dtype=bool), charge=1)
    with pytest.raises(InputError, match=r"must be neutral .* group 'water' has charge \+1"):
        check_long_range(Dataset((charged,)), _configuration(electrostatics={}).model)


@pytest.mark.parametrize("periodic", [False, True])
def test_what_is_learned_and_dispersion_are_the_labels(periodic):
    water = _water()
    if periodic:
        cell = np.tile(np.eye(3) * 9.0, (5, 1, 1))
        stress = np.random.default_rng(4).normal(size=(5, 1, 3, 3))
        water = replace(
            water, pbc=np.ones(3, dtype=bool), cell=cell, stress=0.5 * (stress + stress.swapaxes(2, 3))
        )
    section = _configuration(dispersion={"functional": "pbe", "in_labels": True}).model
    (before,) = samples_together((water,))
    (left,) = to_be_learned((before,), elements=(1, 8), section=section)
    term = Dispersion((1, 8))
    term.set_functional("pbe")
    positions = before.positions.clone().requires_grad_()
    energy = term.of_placement(Placement(positions, before.numbers, before.cell, before.pbc))
    (gradient,) = torch.autograd.grad(energy.sum(), positions)
    torch.testing.assert_close(before.energies - left.energies, energy.detach()[:, None])
    torch.testing.assert_close(before.forces - left.forces, -gradient[:, None])
    if periodic:
        step = 1e-4
        bent = [torch.eye(3, dtype=torch.float64) * (1 + sign * step) for sign in (1, -1)]
        ends = [
            term.of_placement(Placement(before.positions @ by, before.numbers, before.cell @ by, before.pbc))
            for by in bent
        ]
        pressure = (ends[0] - ends[1]) / (2 * step) / 9.0**3
        found = (before.stress - left.stress)[:, 0].diagonal(dim1=1, dim2=2).sum(dim=1)
        torch.testing.assert_close(found, pressure, rtol=1e-5, atol=1e-10)


def _network(groups, **model):
    dataset, configuration = Dataset(groups), _configuration(**model)
    elements = elements_of(dataset)
    samples = samples_together(groups)
    shortest = shortest_distances(dataset, elements)
    return build_network(configuration, samples, shortest, elements), samples


def test_a_training_begins_from_the_energy_of_formal_charges():
    salt = _salt(distances=(9.0, 14.0, 25.0, 30.0, 40.0))
    network, samples = _network((salt,), electrostatics={})
    # Nothing is left to be learned of -1/r.
    assert float(network.reference.scale) < 2e-3
    (prediction,) = predict_together(network, samples, ((0, 0),))
    torch.testing.assert_close(prediction.charges[2:], samples[0].charges[2:], rtol=0, atol=1e-12)
    found = compared(prediction, samples[0])["charge"]
    assert found[0].shape == found[1].shape == (5, 1, 2)


def test_a_training_begins_from_charges_of_elements_that_fit_the_labels():
    water = _water()
    charges = np.tile([-0.7, 0.35, 0.35], (5, 1))
    charges[2] = np.nan
    salt = _salt(distances=(9.0, 14.0, 25.0, 30.0, 40.0))
    network, samples = _network((replace(water, charges=charges), salt), electrostatics={})
    predictions = predict_together(network, samples, ())
    # Networks add a little of their own at the start.
    for prediction, label in zip(predictions, (charges[0, [1, 2, 0]], [1.0, -1.0]), strict=True):
        expected = torch.tensor(label, dtype=torch.float64).expand(5, -1)
        torch.testing.assert_close(prediction.charges, expected, rtol=0, atol=0.2)


def test_charges_of_several_molecules_go_to_each_and_teach_weights():
    groups = (_water(), _salt())
    network, samples = _network(groups, electrostatics={})
    predictions = predict_together(network, samples, ((0, 0),))
    for prediction, group in zip(predictions, samples, strict=True):
        alone = predict_together(network, (group,), ((0, 0),))[0]
        torch.testing.assert_close(prediction.charges, alone.charges, rtol=0, atol=1e-6)
        assert prediction.charges.shape == (len(group), len(group.numbers))
    predictions[1].charges.square().sum().backward()
    assert max(float(p.grad.abs().max()) for p in network.parameters() if p.grad is not None) > 0


def test_errors_of_charges_are_those_of_each_atom_in_the_order_of_the_file():
    model = untrained("moments", None, formal_charges=(1.0, 0.0, -1.0, -1.0))
    positions = torch.tensor([[[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]]])
    positions = positions.double() * torch.tensor([1.0, 1.1, 1.2]).double()[:, None, None]
    own = model.evaluate(positions).charges.numpy()
    labels = own + np.array([0.01, 0.0, 0.0, -0.03])
    labels[2] = np.nan
    group = group_from_arrays(
        "toy",
        atomic_numbers=model.atomic_numbers,
        positions=positions.numpy(),
        energies=np.zeros((3, 1)),
        charges=labels,
    )
    comparison = compare(model, group)
    errors = metrics(comparison)
    assert errors["charge_mae_e"] == [pytest.approx(0.01, abs=1e-6)]
    assert errors["charge_rmse_e"] == [pytest.approx((0.001 / 4) ** 0.5, abs=1e-6)]
    assert constant_errors(comparison)["charge"] == [pytest.approx(np.abs(labels[:2]).mean())]
    rows = list(error_table(comparison, title="toy").columns[0].cells)
    assert "charge" in rows
    # A model without such charges has none to be compared.
    assert "charge_mae_e" not in metrics(compare(untrained("moments", None), group))


def test_dispersion_that_labels_lack_is_added_after_the_training_and_to_what_it_is_compared_with(tmp_path):
    groups = (_water(n_frames=12, theory="PBE"), replace(_salt(far=0.0, theory="PBE"), name="NaCl"))
    configuration = _configuration(electrostatics={}, dispersion={"functional": "pbe"})
    trained = train(Dataset(groups), tmp_path / "model.safetensors", configuration)
    model = load_model(tmp_path / "model.safetensors")
    group = groups[0]
    added = with_what_is_added(model, group)
    bare = replace(model, potential=trained.model.potential)
    bare.potential.dispersion = None
    positions = torch.from_numpy(group.positions)
    difference = (model.evaluate(positions).hamiltonian - bare.evaluate(positions).hamiltonian)[:, 0, 0]
    np.testing.assert_allclose(difference.numpy(), (added.energies - group.energies)[:, 0], rtol=1e-9)
    assert abs(difference).min() > 1e-4
    result = compare(model, group)
    errors = (result.energies - result.reference_energies)[:, 0]
    without = compare(bare, group)
    np.testing.assert_allclose(errors, (without.energies - without.reference_energies)[:, 0], atol=1e-9)
    assert "charge" in trained.history["history"][-1]["training_rms"]
