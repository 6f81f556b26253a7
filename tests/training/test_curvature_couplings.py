"""The curvature of two surfaces tells the coupling of their states, up to its sign."""

import numpy as np
import pytest
import torch
from teacher import geometries, labelled, teacher

import nadyn
from nadyn.electronic.surfaces import surfaces
from nadyn.shipped import path
from nadyn.training.curvature_couplings import (
    close_pairs,
    coupling_from_curvature,
    curvature_couplings,
)
from nadyn.training.curvature_labels import allowed_frames, close_frames, count, evenly, label
from nadyn.training.samples import samples_from_group
from nadyn.units import HARTREE_PER_EV

# Five coordinates as five atoms with one component, as generalised coordinates are.
N_COORDINATES = 5


def _cone():
    """Gradients of E = mean ∓ √(Δ² + V²) with linear Δ and V, and the coupling of its two states."""
    generator = torch.Generator().manual_seed(4)
    tuning, coupling, common = torch.randn(3, N_COORDINATES, 1, generator=generator, dtype=torch.float64)

    def parts(positions):
        # Off the seam at the origin, where Δ and V are 0.
        return (positions * tuning).sum((1, 2)), (positions * coupling).sum((1, 2))

    def gradients(positions, index):
        difference, interaction = parts(positions)
        half = torch.sqrt(difference**2 + interaction**2)
        mean = (positions * common).sum((1, 2)) ** 2
        slope_mean = 2.0 * (positions * common).sum((1, 2))[:, None, None] * common
        slope = (difference[:, None, None] * tuning + interaction[:, None, None] * coupling) / half[
            :, None, None
        ]
        energies = torch.stack([mean - half, mean + half], dim=1)
        return energies, torch.stack([slope_mean - slope, slope_mean + slope], dim=1)

    def exact(positions):
        difference, interaction = parts(positions)
        rotated = difference[:, None, None] * coupling - interaction[:, None, None] * tuning
        return rotated / torch.sqrt(difference**2 + interaction**2)[:, None, None]

    return gradients, exact


@pytest.mark.parametrize("distance", [1.0, 0.1])
def test_at_a_linear_conical_intersection_the_coupling_is_exact(distance):
    gradients, exact = _cone()
    generator = torch.Generator().manual_seed(7)
    positions = distance * torch.randn(12, N_COORDINATES, 1, generator=generator, dtype=torch.float64)
    found = curvature_couplings(gradients, positions)
    assert found.shape == (12, 1, N_COORDINATES, 1)
    reference = exact(positions)
    sign = torch.sign((found[:, 0] * reference).sum((1, 2)))[:, None, None]
    torch.testing.assert_close(sign * found[:, 0], reference, rtol=1e-6, atol=1e-9)


def test_where_no_direction_stands_out_there_is_no_coupling():
    g = torch.tensor([[1.0, 2.0, 0.0, 0.0]], dtype=torch.float64)
    own = g[0, :, None] * g[0, None, :]
    for remainder, kept in (
        ((0.0, 0.0, 4.0, 1.9), True),
        ((0.0, 0.0, 4.0, 2.1), False),
        ((0.0, 0.0, -4.0, -5.0), False),
        ((0.0, 0.0, 1e-3, -5.0), True),
    ):
        curvature = own + torch.diag(torch.tensor(remainder, dtype=torch.float64))
        found = coupling_from_curvature(curvature[None], g)[0]
        if kept:
            expected = torch.zeros(4, dtype=torch.float64)
            expected[2] = max(remainder) ** 0.5
            torch.testing.assert_close(found.abs(), expected, rtol=0, atol=1e-7)
        else:
            assert bool(found.isnan().all())


def test_only_neighbours_with_the_smallest_gap_around_are_close():
    nan = np.nan
    gaps = torch.tensor(
        [[1.0, 2.0, 3.0], [3.0, 1.0, 2.0], [1.0, 3.0, 1.5], [2.3, 2.5, 2.9], [nan, 1.0, 0.5], [1.0, 1.0, 1.2]]
    )
    energies = torch.cat([torch.zeros(6, 1), gaps.cumsum(1)], dim=1).double() * HARTREE_PER_EV
    # Levels above a missing one are there all the same.
    energies[4] = torch.tensor([0.0, nan, 1.0, 1.5]).double() * HARTREE_PER_EV
    expected = [
        [True, False, False],
        [False, True, False],
        [True, False, True],
        [False, False, False],
        [False, False, True],
        [True, True, False],
    ]
    assert close_pairs(energies).tolist() == expected


def test_labels_of_the_ammonia_model_are_its_own_couplings_near_the_seam():
    model = nadyn.load_model(path("ammonia/ammonia.safetensors"))
    group = nadyn.load_dataset(path("ammonia/ammonia.h5")).groups[0]
    gap = (group.energies[:, 1] - group.energies[:, 0]) / HARTREE_PER_EV
    near = group.select(np.flatnonzero((gap > 0.3) & (gap < 0.8))[:16])
    samples = samples_from_group(near)
    chosen = torch.arange(4, 16)
    (found,) = label(model.network, (samples,), (chosen,), title="", report=lambda progress: None)
    assert found.shape == (16, 1, 4, 3)
    assert bool(found[:4].isnan().all())
    known = ~found[:, 0].flatten(1).isnan().any(dim=1)
    assert known[4:].double().mean() > 0.8
    exact = surfaces(model.double(), torch.from_numpy(near.positions)).interstate_coupling[:, 0, 1]
    # Atoms of samples are sorted by element.
    exact, found = exact[:, samples.order][known].flatten(1), found[:, 0][known].flatten(1)
    cosine = (exact * found).sum(1).abs() / exact.norm(dim=1) / found.norm(dim=1)
    assert cosine.median() > 0.98
    assert abs(float((found.norm(dim=1) / exact.norm(dim=1)).median()) - 1.0) < 0.05


def test_pairs_of_states_that_are_no_neighbours_have_no_label():
    model = teacher("3x0e", 3)
    samples = samples_from_group(labelled(model, geometries(40, spread=0.15)))
    chosen = close_frames((samples,))
    seen = []
    (found,) = label(
        model.network,
        (samples,),
        chosen,
        title="labels",
        report=lambda progress: seen.append((progress.title, progress.step, progress.n_steps)),
    )
    known = ~found.flatten(2).isnan().any(dim=2)
    close = close_pairs(samples.energies)
    # Pairs are 0-1, 0-2, 1-2.
    assert not bool(known[:, 1].any())
    assert bool((known[:, [0, 2]] <= close).all())
    assert count((found,)) == int(known.any(dim=1).sum()) > 5
    assert seen == [("labels", len(chosen[0]), len(chosen[0]))]


def test_frames_are_taken_evenly_over_the_gaps_and_fewer_for_larger_molecules():
    samples = samples_from_group(labelled(teacher(), geometries(30)))
    (close,) = close_frames((samples,))
    gap = torch.diff(samples.energies, dim=1)[close, 0]
    assert bool((gap[1:] >= gap[:-1]).all())
    assert evenly(torch.arange(100), 0.05).tolist() == [10, 30, 50, 70, 90]
    assert evenly(torch.arange(7), 3.0).tolist() == list(range(7))
    assert len(evenly(torch.arange(0), 0.5)) == 0
    assert allowed_frames(500, (samples,)) == 125
    assert allowed_frames(10**6, (samples,)) == 1000
