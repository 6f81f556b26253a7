"""Two states that differ in symmetry are learned in the basis that holds both, not as an invariant matrix."""

from dataclasses import dataclass

import pytest
import torch
from training.teacher import labelled

from nadyn.data import Dataset
from nadyn.electronic.cones import find_intersection
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.analytic.molecules import jahn_teller, twisted
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.train import train
from nadyn.units import ELECTRONVOLT_PER_HARTREE

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unchecked_annotations")]

MEV = 1e3 * ELECTRONVOLT_PER_HARTREE


@dataclass(frozen=True)
class Lesson:
    """A molecule, the basis that holds its two states, and how far its atoms are moved [bohr].

    Attributes:
        reached: Mean error of the energies of unseen frames that this short training must reach [meV].
    """

    build: object
    basis: str
    start: tuple[str, ...]
    half_width: list[list[float]]
    couplings: bool
    reached: float


LESSONS = {
    "E' of a triangle": Lesson(jahn_teller, "1x1o", ("1o", "1o"), [[0.3] * 3] * 3, False, 0.3),
    "A1 and A2 of a cis molecule": Lesson(
        twisted,
        "1x0e + 1x0o",
        ("0e", "0o"),
        [[0.07, 0.05, 0.08]] * 2 + [[0.08, 0.08, 0.25]] * 2,
        True,
        0.8,
    ),
}


def _frames(lesson, n, *, seed):
    generator = torch.Generator().manual_seed(seed)
    reference = lesson.build().starting_geometry
    size = (2.0 * torch.rand(n, 1, 1, generator=generator, dtype=torch.float64)).clamp(max=1.0)
    inside = 2.0 * torch.rand(n, *reference.shape, generator=generator, dtype=torch.float64) - 1.0
    return reference + size * torch.tensor(lesson.half_width, dtype=torch.float64) * inside


def _trained(lesson, basis, start, path):
    data = Dataset((labelled(lesson.build(), _frames(lesson, 400, seed=1), couplings=lesson.couplings),))
    settings = TrainingConfiguration.model_validate(
        {
            "encoder": {"n_radial": 8, "n_channels": 6},
            "model": {"basis": basis, "start": start, "hidden": [64, 64]},
            "epochs": 30,
            "learning_rate": 3e-3,
            "weight_decay": 0.0,
            "outlier_sigmas": 1e3,
            # Two components of one vector meet by symmetry.
            "small_starts": 0,
        }
    )
    return train(data, path, settings).model.double()


@pytest.mark.parametrize("name", LESSONS)
def test_the_basis_that_holds_both_states_learns_them_and_the_invariant_matrix_rounds_the_cone(
    name, tmp_path
):
    lesson = LESSONS[name]
    fitting = _trained(lesson, lesson.basis, lesson.start, tmp_path / "fitting.safetensors")
    invariant = _trained(lesson, "2x0e", ("0e", "0e"), tmp_path / "invariant.safetensors")
    unseen = _frames(lesson, 300, seed=2)
    reference = energies_and_eigenvectors(lesson.build(), unseen)[0]
    errors, gaps = [], []
    seam = find_intersection(lesson.build(), unseen[:20])
    assert bool(seam.found.all())
    for model in (fitting, invariant):
        errors.append(float((energies_and_eigenvectors(model, unseen)[0] - reference).abs().mean()) * MEV)
        gaps.append(energies_and_eigenvectors(model, seam.positions)[0].diff(dim=1) * MEV)
    print(name, "energies", errors, "gaps on the seam", [float(gap.mean()) for gap in gaps], "[meV]")
    assert errors[0] < lesson.reached
    assert errors[1] > 3 * errors[0]
    # Where the two states are one level.
    assert float(gaps[1].mean()) > 10 * float(gaps[0].mean())
