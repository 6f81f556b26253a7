"""Seams whose lowest point has a closed form, and landscapes that hide what they know."""

from dataclasses import dataclass, replace

import numpy as np

from nadyn.electronic.crossings.landscape import Landscape
from nadyn.electronic.labels import Label, Quality
from nadyn.models.analytic.vibronic import vibronic_model
from nadyn.models.analytic.vibronic_parameters import VibronicParameters


def linear_model(n_modes=5, seed=3):
    """Return a linear vibronic coupling model of two states and the parameters that it was made of."""
    random = np.random.default_rng(seed)
    frequencies = random.uniform(0.004, 0.015, n_modes)
    tuning = 0.006 * random.standard_normal((2, n_modes))
    coupling = 0.006 * random.standard_normal(n_modes)
    offsets = (-0.02, 0.02)
    modes = tuple(f"q{m}" for m in range(n_modes))
    linear = {(a, a, m): float(tuning[a, m]) for a in range(2) for m in range(n_modes)}
    linear |= {(0, 1, m): float(coupling[m]) for m in range(n_modes)}
    model = vibronic_model(
        VibronicParameters(
            name="linear",
            modes=modes,
            states=("a", "b"),
            frequencies=tuple(frequencies.tolist()),
            constant={(a, a): offsets[a] for a in range(2)},
            linear=linear,
            quadratic={},
        )
    )
    return model, frequencies, tuning, coupling, offsets


def lowest_of_linear_model(frequencies, tuning, coupling, offsets):
    """Return Q and E of the lowest point of the seam: a quadratic form under two linear conditions.

    Σ ω Q²/2 + (κ₁ + κ₂)·Q/2 + (ε₁ + ε₂)/2 with (κ₂ - κ₁)·Q = ε₁ - ε₂ and λ·Q = 0.
    """
    conditions = np.stack([tuning[1] - tuning[0], coupling])
    matrix = np.block([[np.diag(frequencies), conditions.T], [conditions, np.zeros((2, 2))]])
    mean = 0.5 * (tuning[0] + tuning[1])
    right = np.concatenate([-mean, [offsets[0] - offsets[1], 0.0]])
    q = np.linalg.solve(matrix, right)[: len(frequencies)]
    return q, float(0.5 * frequencies @ q**2 + mean @ q + 0.5 * sum(offsets))


def without_couplings(landscape: Landscape) -> Landscape:
    """Return a landscape that knows energies and gradients only."""

    def ask(geometries):
        return [replace(point, couplings=np.nan * point.couplings) for point in landscape.ask(geometries)]

    return replace(landscape, ask=ask, gives_couplings=False)


@dataclass
class Teacher:
    """A landscape of one multiplicity as a label source, with signs of the states that nobody can rely on."""

    landscape: Landscape
    gives: frozenset = frozenset({"forces", "interstate_couplings"})
    fails_at: tuple[int, ...] = ()
    name: str = "teacher"
    theory: str = "a model"
    charge: int = 0

    def __post_init__(self):
        self.atomic_numbers = self.landscape.atomic_numbers
        self.multiplicities = self.landscape.multiplicities
        self.asked = []
        self.near = []

    def label(self, positions, near=()):
        """Return the label of one geometry; chosen calls fail."""
        self.asked.append(positions)
        self.near.append(near)
        n = len(self.multiplicities)
        if len(self.asked) in self.fails_at:
            return Label(Quality.FAILED, "it did not converge", np.full(n, np.nan))
        (point,) = self.landscape.ask([positions])
        signs = np.where(np.random.default_rng(len(self.asked)).random(n) < 0.5, -1.0, 1.0)
        h = point.couplings * np.multiply.outer(signs, signs)[:, :, None, None]
        rows, columns = np.triu_indices(n, k=1)
        return Label(
            Quality.TRUSTED,
            "",
            point.energies,
            -point.gradients,
            h[rows, columns] if "interstate_couplings" in self.gives else None,
        )
