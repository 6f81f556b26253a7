"""What a training begins from, where that are other models: their matrices, each where it is right.

Energies, forces and couplings seen all at once do not always lead to states that cross where they should: a
network learns the lower and the upper surface first, and exchanges the states too late or never. A model of
a part of the data (a seam; fragments) is easier to get right. What it knows is its matrix: that is handed on.
"""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.electronic.eigen import eigh
from nadyn.models.atomic_network import MOST_NOVELTY
from nadyn.models.learned import LearnedModel
from nadyn.models.matrix.basis import parse_basis
from nadyn.models.potential import Potential
from nadyn.structures import symbol
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.lessons import Lesson, matrix_at
from nadyn.training.samples import Samples
from nadyn.units import ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV

# A model is right where a trajectory would not stop as outside of its training, and the energies of all
# states are as close to their labels as this.
RIGHT = 0.05 * HARTREE_PER_EV
FEWEST_RIGHT = 10
_CHUNK = 64
# Frames that tell the signs.
_ENOUGH = 200


@dataclass(frozen=True)
class Beginning:
    """What a training begins from.

    Attributes:
        lessons: Each network to learn from, the training frames at which its matrix is learned, and the signs
            that its basis functions have in the first one.
        given: Each model and the number of these frames, in words.
        n_frames: Number of all training frames.
    """

    lessons: tuple[Lesson, ...]
    given: str
    n_frames: int

    @property
    def with_matrices(self) -> str:
        """A sentence for a training that has learned the matrices."""
        n_right = sum(len(group) for lesson in self.lessons for group in lesson.samples)
        return (
            f"it began with the matrices of other models at {n_right} of {self.n_frames} training frames, "
            f"where their energies are right: {self.given}"
        )

    @property
    def with_weights(self) -> str:
        """A sentence for a training that has the weights of the model."""
        return f"it began with the weights of another model: {self.given}"


def with_basis_of(
    models: Sequence[LearnedModel], configuration: TrainingConfiguration
) -> TrainingConfiguration:
    """Return the configuration with the kind and the latent basis of the models to begin from.

    Raises:
        InputError: They differ in it, or the configuration asks for another one.
    """
    section = configuration.model
    dispersion = configuration.model.dispersion
    for model in models:
        of_model = model.potential.settings.dispersion
        if (None if of_model is None else asdict(of_model)) != (
            None if dispersion is None else dispersion.model_dump()
        ):
            raise InputError(
                f"`model.dispersion` must be that of the model to begin from, but {model.name} has "
                f"{'none' if of_model is None else of_model}."
            )
    kinds = {model.potential.is_atomic_sum for model in models}
    bases = {basis for model in models if (basis := _basis(model))}
    if len(kinds) > 1 or len(bases) > 1:
        raise InputError(
            "the models to begin from must have one latent basis, but have "
            f"{' and '.join(sorted(_basis(model) or 'one energy' for model in models))}."
        )
    if kinds == {True}:
        if section.kind == "diabatic":
            raise InputError(
                "`model.kind` must be that of the model to begin from, atomic_sum, but is diabatic. "
                "Leave it out."
            )
        return configuration.model_copy(update={"model": section.model_copy(update={"kind": "atomic_sum"})})
    (basis,) = bases
    if section.basis != "auto" and str(parse_basis(section.basis)) != str(parse_basis(basis)):
        raise InputError(
            f"`model.basis` must be that of the model to begin from, {basis!r}, but is {section.basis!r}. "
            "Leave it out."
        )
    update = {"kind": "diabatic", "basis": basis}
    return configuration.model_copy(update={"model": section.model_copy(update=update)})


def beginning(models: Sequence[LearnedModel], samples: tuple[Samples, ...]) -> Beginning:
    """Compare models with the labels of a training; each teaches the frames where it is the best, and right.

    Raises:
        InputError: A model has other elements or states, or is right almost nowhere.
    """
    lessons: list[list[Samples]] = [[] for _ in models]
    common: list[list[Samples]] = [[] for _ in models]
    for group in samples:
        for model in models:
            _check(model, group)
        errors = torch.stack([_errors(model.potential, group) for model in models])
        smallest, best = errors.min(dim=0)
        for number, lesson in enumerate(lessons):
            rows = torch.nonzero((best == number) & (smallest < RIGHT))[:, 0]
            if len(rows):
                lesson.append(group.take(rows))
            both = torch.nonzero((errors[0] < RIGHT) & (errors[number] < RIGHT))[:_ENOUGH, 0]
            if len(both):
                common[number].append(group.take(both))
    n_frames, counts = sum(map(len, samples)), [sum(map(len, lesson)) for lesson in lessons]
    for model, count in zip(models, counts, strict=True):
        if count < FEWEST_RIGHT:
            raise InputError(
                f"model {model.name} must have the energies of {FEWEST_RIGHT} frames of its own kind right "
                f"within {RIGHT * ELECTRONVOLT_PER_HARTREE:.2f} eV to begin from, but has those of {count} "
                f"of {n_frames}. Begin without it."
            )
    given = ", ".join(f"{model.name} ({n} frames)" for model, n in zip(models, counts, strict=True))
    first = models[0].potential
    found = (
        Lesson(model.potential, tuple(lesson), _signs(first, model.potential, frames))
        for model, lesson, frames in zip(models, lessons, common, strict=True)
    )
    return Beginning(tuple(found), given, n_frames)


def _signs(first: Potential, other: Potential, common: list[Samples]) -> Float[Tensor, "basis"] | None:
    """Return the signs that the functions of a network have in another one; None where none can be compared.

    The sign of a basis function is a convention, which energies and couplings of states do not know. But
    between two regions with different ones the elements between functions would have to pass through zero.
    """
    if first is other or not common:
        return None
    agreement = torch.zeros(other.n_basis, other.n_basis, dtype=torch.float64)
    for group in common:
        with torch.no_grad():
            left, right = (matrix_at(potential, group) for potential in (first, other))
        agreement += (left * right).sum(dim=0)
    rows = [(start, start + 2 * int(name[0]) + 1) for name, start in other.matrix.functions]
    choices = []
    for values in itertools.product((1.0, -1.0), repeat=len(rows) - 1):
        signs = torch.ones(other.n_basis, dtype=torch.float64)
        for (start, end), sign in zip(rows[1:], values, strict=True):
            signs[start:end] = sign
        choices.append((float(signs @ agreement @ signs), signs))
    return max(choices, key=lambda one: one[0])[1]


def closest_of(models: Sequence[LearnedModel]) -> float | None:
    """Return where the innermost radial functions of the only model to begin from lie [bohr].

    New frames with a shorter distance, or fewer frames without the shortest one, are to leave the network as
    it is: in another one its weights would mean nothing. None without a model, with several, and for encoders
    whose functions do not hang on that distance alone.
    """
    if len(models) != 1:
        return None
    return getattr(models[0].potential.settings.network.encoder, "shortest", None)


def takes_weights(potential: Potential, begun: Beginning) -> bool:
    """Give a network the weights of the only model to begin from, if that is one of the same settings.

    Returns whether it did; its matrix need not be learned then.
    """
    if len(begun.lessons) > 1:
        return False
    teacher = begun.lessons[0].teacher
    same = _settings(teacher) == _settings(potential) and _formal(teacher) == _formal(potential)
    if same:
        potential.load_state_dict(teacher.state_dict())
    return same


def _settings(potential: Potential) -> object:
    # What the states started as does not matter any more.
    return replace(potential.settings, start=())


def _formal(potential: Potential) -> list[float] | None:
    return None if potential.charges is None else potential.charges.formal.tolist()


def _basis(model: LearnedModel) -> str | None:
    return None if model.potential.is_atomic_sum else model.potential.settings.basis


def _errors(potential: Potential, samples: Samples) -> Float[Tensor, "frame"]:
    """Return the largest error of an energy of each frame [hartree]; inf outside of the network's training,
    where it may be right by chance, and where a label is missing."""
    found = []
    precision = next(potential.parameters()).dtype
    for start in range(0, len(samples), _CHUNK):
        batch = samples.take(torch.arange(start, min(start + _CHUNK, len(samples))))
        surroundings = batch.surroundings(batch.positions, potential.network.cutoff, precision)
        with torch.no_grad():
            hamiltonian, features = potential(surroundings)
            novelty = potential.network.novelty(features, surroundings)
        error = (eigh(hamiltonian)[0][:, : potential.n_states] - batch.energies).abs().amax(dim=1)
        found.append(torch.where((novelty <= MOST_NOVELTY) & ~error.isnan(), error, torch.inf))
    return torch.cat(found)


def _check(model: LearnedModel, group: Samples) -> None:
    known = model.potential.network.elements
    unknown = sorted({symbol(number) for number in group.numbers if number not in known})
    if unknown:
        raise InputError(
            f"the model to begin from must know the elements of group {group.name!r}, but it knows "
            f"{', '.join(map(symbol, known))} and not {', '.join(unknown)}. Begin without it."
        )
    n_states = group.energies.shape[1]
    if model.n_states != n_states:
        raise InputError(
            f"the model to begin from must have the {n_states} states of the data, but has "
            f"{model.n_states}. Begin without it."
        )
