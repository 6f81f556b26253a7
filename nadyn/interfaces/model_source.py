"""Labels from a model, analytic or learned, as the teacher of another one."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.data.dataset import state_pairs
from nadyn.dynamics.run.known_region import region_statuses_of, unknown_composition
from nadyn.dynamics.run.model_source import find_model
from nadyn.dynamics.run.stopping import SMALLEST_SURPLUS_GAP, Status
from nadyn.electronic.eigen import eigh
from nadyn.electronic.labels import Known, Label
from nadyn.electronic.properties import knows
from nadyn.electronic.surfaces import directional_gradient, surfaces
from nadyn.interfaces.answers import failed, label_of
from nadyn.interfaces.model_section import ModelSection
from nadyn.models.analytic.normal_coordinates import NormalCoordinates
from nadyn.models.analytic.orientation import Orientation, oriented
from nadyn.models.model import Model
from nadyn.structures import formula

_EIGENVECTORS = "eigenvectors"


@dataclass(frozen=True, eq=False)
class ModelSource:
    """A model as a label source; built by its section, or by `model_source`.

    Couplings, dipoles and overlaps have random signs of the states, drawn from the geometry, so that nobody
    can rely on those of an eigenvalue routine.
    """

    theory: str
    atomic_numbers: tuple[int, ...]
    charge: int
    multiplicities: tuple[int, ...]
    gives: frozenset[str]
    model: Model
    name: str = field(default="model", init=False)

    @property
    def laws(self) -> frozenset[str]:
        """Which laws leave its energies unchanged."""
        if self.model.coordinates == "cartesian":
            return self.model.laws
        # Turned into a frame; like atoms there are told apart by their numbers.
        return frozenset({"translation", "rotation"})

    def label(self, positions: Float[np.ndarray, "atom 3"], near: Sequence[Known] = ()) -> Label:
        """Return the label of one geometry [bohr].

        Outside of the region that a learned model knows it is doubtful; where the model has no finite number,
        or the geometry no orientation in the frame of the model, it is failed.
        """
        start = time.process_time()
        geometry = torch.from_numpy(np.ascontiguousarray(positions, dtype=np.float64))
        frame = getattr(self.model, "frame", None)
        orientation = None
        inner = geometry[None]
        if frame is not None:
            try:
                orientation = oriented(geometry, frame.reference, frame.masses)
            except InputError as error:
                return failed(str(error), len(self.multiplicities))
            inner = frame.coordinates(orientation.positions[None])
        states = _states(self.model, inner, self.multiplicities)
        signs = _signs(geometry, len(self.multiplicities))
        eigenvectors = states.eigenvectors * signs
        h = states.gradients if frame is None else _cartesian(frame, orientation, states.gradients)
        arrays = {"energies": states.energies, "forces": -torch.einsum("kknx->knx", h)}
        if "interstate_couplings" in self.gives:
            h = h * signs[:, None, None, None] * signs[:, None, None]
            arrays["interstate_couplings"] = torch.stack([h[k, l] for k, l in self._pairs()])
        if "dipoles" in self.gives:
            operator = self.model.operator("dipole", inner.expand(self.model.block_width, *inner.shape[1:]))
            inside = torch.einsum("ak,abx,bl->klx", eigenvectors, operator[0].detach(), eigenvectors)
            arrays["dipoles"] = inside if frame is None else orientation.turned_back(inside)
        return label_of(
            {key: array.numpy() for key, array in arrays.items()},
            multiplicities=self.multiplicities,
            n_atoms=len(self.atomic_numbers),
            seconds=time.process_time() - start,
            doubt=self._doubt(geometry[None], states),
            checks={"novelty": states.novelty},
            memory={_EIGENVECTORS: eigenvectors.numpy()},
        )

    def overlaps(self, first: Known, second: Known) -> Float[np.ndarray, "state state"]:
        """Return S_kl = ⟨k at the first geometry|l at the second⟩ of the eigenvectors of W."""
        return first.label.memory[_EIGENVECTORS].T @ second.label.memory[_EIGENVECTORS]

    def _pairs(self) -> tuple[tuple[int, int], ...]:
        return state_pairs(len(self.multiplicities))

    def _doubt(self, positions: Float[Tensor, "one atom 3"], states: "_States") -> str:
        if self.model.coordinates == "cartesian":
            status = int(region_statuses_of(self.model, positions, torch.tensor([states.novelty]))[0])
            if status == Status.OUTSIDE_TRAINING:
                return f"model {self.model.name} was not trained on such geometries"
            if status == Status.CLOSE_ATOMS:
                return f"two atoms are closer than model {self.model.name} knows them"
        if states.surplus_gap < SMALLEST_SURPLUS_GAP:
            return f"a surplus level of model {self.model.name} has come down to its states"
        return ""


def model_source(model: Model, *, digest: str | None = None, charge: int = 0) -> ModelSource:
    """Return a model as a label source of the atoms that it is of.

    Args:
        model: A model of Cartesian coordinates, or of normal coordinates with a `frame`.
        digest: Tells models of one name apart in `theory`.
        charge: Total charge [e], which a model does not know.

    Raises:
        InputError: The model is of coordinates without a molecule, or its atoms are not among those that it
            was trained on.
    """
    frame = getattr(model, "frame", None)
    if model.coordinates != "cartesian" and frame is None:
        raise InputError(
            f"`model` must be of Cartesian coordinates, or know what its own mean in a molecule, but "
            f"{model.name} does neither."
        )
    if sentence := unknown_composition(model):
        raise InputError(f"`model` must know the energies of its atoms, but does not: {sentence}")
    gives = {"forces"}
    if model.n_states > 1:
        gives |= {"interstate_couplings", "overlaps"}
    if knows(model, "dipole"):
        gives.add("dipoles")
    return ModelSource(
        theory=f"model {model.name}" + (f" ({digest[:12]})" if digest else ""),
        atomic_numbers=tuple(model.atomic_numbers if frame is None else frame.atomic_numbers),
        charge=charge,
        multiplicities=getattr(model, "multiplicities", ()) or (1,) * model.n_states,
        gives=frozenset(gives),
        model=model,
    )


def source_of_section(section: ModelSection, atomic_numbers: tuple[int, ...]) -> ModelSource:
    """Return the source of a section.

    Raises:
        InputError: There is no such model, it is of other atoms, or of coordinates without a molecule.
    """
    found = find_model(section.model, None, molecule=section.molecule)
    model = found.model
    for_atoms = getattr(model, "for_atoms", None)
    if for_atoms is not None and section.molecule is None and atomic_numbers != tuple(model.atomic_numbers):
        model = for_atoms(atomic_numbers)
    source = model_source(model, digest=found.digest, charge=section.charge)
    if source.atomic_numbers != atomic_numbers:
        raise InputError(
            f"the geometries must have the atoms of model {model.name} in their order "
            f"({formula(source.atomic_numbers)}: {list(source.atomic_numbers)}), but have "
            f"{list(atomic_numbers)}."
        )
    return source


@dataclass(frozen=True)
class _States:
    """Adiabatic states at one geometry, by multiplicity and energy, in the coordinates of the model.

    `gradients` are h_kl = u_k · ∇W · u_l, the gradients of the energies on the diagonal.
    """

    energies: Float[Tensor, "state"]
    eigenvectors: Float[Tensor, "basis state"]
    gradients: Float[Tensor, "state state atom x"]
    novelty: float
    surplus_gap: float


def _states(model: Model, positions: Float[Tensor, "one atom x"], spins: tuple[int, ...]) -> _States:
    if len(set(spins)) == 1:
        found = surfaces(model, positions)
        return _States(
            found.energies[0],
            found.eigenvectors[0],
            found.interstate_coupling[0],
            float(found.novelty[0]),
            float(found.surplus_gap[0]),
        )
    with torch.no_grad():
        evaluation = model.evaluate(positions.expand(model.block_width, *positions.shape[1:]))
    w, n = evaluation.hamiltonian[0], len(spins)
    energies, eigenvectors = w.new_zeros(n), w.new_zeros(n, n)
    for spin in dict.fromkeys(spins):
        own = [row for row, value in enumerate(spins) if value == spin]
        values, vectors = eigh(w[own][:, own][None])
        energies[own] = values[0]
        eigenvectors[torch.tensor(own)[:, None], torch.tensor(own)] = vectors[0]
    gradients = w.new_zeros(n, n, *positions.shape[1:])
    for k, l in (*((k, k) for k in range(n)), *state_pairs(n)):
        if spins[k] != spins[l]:
            continue
        left, right = eigenvectors[None, :, k], eigenvectors[None, :, l]
        gradients[k, l] = gradients[l, k] = directional_gradient(model, positions, left, right)[0]
    return _States(energies, eigenvectors, gradients, float(evaluation.novelty[0]), np.inf)


def _cartesian(
    frame: NormalCoordinates, orientation: Orientation, gradients: Float[Tensor, "state state mode 1"]
) -> Float[Tensor, "state state atom 3"]:
    """Return gradients with respect to Q as gradients with respect to the positions of the atoms."""
    inner = torch.einsum("klm,m,mnx->klnx", gradients[..., 0], frame.frequencies.sqrt(), frame.vectors)
    return orientation.gradient(inner * frame.masses.sqrt()[:, None])


def _signs(positions: Float[Tensor, "atom 3"], n_states: int) -> Float[Tensor, "state"]:
    seed = hashlib.sha256(positions.numpy().tobytes()).digest()
    return torch.tensor([1.0 if byte & 1 else -1.0 for byte in seed[:n_states]], dtype=torch.float64)
