"""What a training begins from, where that is another model, and how far each frame is from where it is right.

Two states that cross, and data far beyond the crossing: a network that sees everything at once learns the
lower and the upper surface long before it learns that the states have exchanged their roles there, and bends
one surface round instead. So it first learns the matrix of a model that knows the crossing, where that one is
right. The other frames join in the order of their distance from those, ring by ring: what the states are is
carried outward. In the end all frames are trained on together. A curriculum: Y. Bengio, J. Louradour,
R. Collobert and J. Weston, Proc. 26th Int. Conf. Machine Learning 41 (2009).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Group
from nadyn.data.similarity import fingerprints, nearest_distances
from nadyn.electronic.eigen import eigh
from nadyn.models.atomic_network import MOST_NOVELTY
from nadyn.models.learned import LearnedModel, Network
from nadyn.models.matrix.basis import parse_basis
from nadyn.models.matrix.diabatic import DiabaticHamiltonian
from nadyn.structures import symbol
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.held_out import HeldOut
from nadyn.training.samples import Samples, samples_from_group
from nadyn.units import ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV

# The model to begin from is right where a trajectory would not stop as outside of its training, and the
# energies of all states are as close to their labels as this.
RIGHT = 0.05 * HARTREE_PER_EV
FEWEST_RIGHT = 10
N_RINGS = 12
_CHUNK = 64


@dataclass(frozen=True)
class Outward:
    """What a training begins from, and how far each frame is from where that is right.

    Attributes:
        teacher: The network to begin from.
        training: Distance of each frame of each group of the training set, 0 where the teacher is right.
        validation: The same of the frames that are held out.
        sentence: What it begins from.
    """

    teacher: Network
    training: tuple[Float[np.ndarray, "..."], ...]
    validation: tuple[Float[np.ndarray, "..."], ...]
    sentence: str

    @property
    def limits(self) -> tuple[float, ...]:
        """The distance up to which frames are trained on in each ring; the last one leaves none out.

        Rings are as wide as each other, but for the last, which has the few frames that are farthest; one
        that holds no frame of its own is left out.
        """
        distances = np.concatenate(self.training)
        width = float(np.quantile(distances, 0.995)) / (N_RINGS - 1)
        limits = [width * (number + 1) for number in range(N_RINGS - 1)] + [float(distances.max())]
        inside = [int((distances <= limit).sum()) for limit in limits]
        return tuple(limit for k, limit in enumerate(limits) if k == 0 or inside[k] > inside[k - 1])


def with_basis_of(model: LearnedModel, configuration: TrainingConfiguration) -> TrainingConfiguration:
    """Return the configuration with the latent basis of the model to begin from.

    Raises:
        InputError: The configuration asks for another one.
    """
    section, network = configuration.model, model.network
    if not isinstance(network, DiabaticHamiltonian):
        if section.kind == "diabatic":
            raise InputError(
                "`model.kind` must be that of the model to begin from, atomic_sum, but is diabatic. "
                "Leave it out."
            )
        return configuration.model_copy(update={"model": section.model_copy(update={"kind": "atomic_sum"})})
    found = network.settings
    for name, wanted in (("basis", section.basis), ("start", section.start)):
        given = getattr(found, name)
        same = wanted == given or (name == "basis" and wanted != "auto" and str(parse_basis(wanted)) == given)
        if wanted not in ("auto", None) and not same:
            raise InputError(
                f"`model.{name}` must be that of the model to begin from, {given!r}, but is {wanted!r}. "
                "Leave it out."
            )
    start = tuple(found.start) if len(found.start) == model.n_states else None
    update = {"kind": "diabatic", "basis": found.basis, "start": start}
    return configuration.model_copy(update={"model": section.model_copy(update=update)})


def outward_from(model: LearnedModel, held_out: HeldOut) -> Outward:
    """Compare a model with the labels of a training; return how far its frames are from where it is right.

    A frame is as far as its distances between atoms differ from those of the nearest frame of its group where
    the model is right, see `data.similarity.fingerprints`; where there is none in its group, it joins last.

    Raises:
        InputError: The model has other elements or states, or is right almost nowhere.
    """
    training = held_out.training.groups
    validation = held_out.validation.groups if held_out.validation else ()
    for group in training:
        _check(model, group)
    right = [_right(model.network, samples_from_group(group)) for group in training]
    n_right, n_frames = sum(int(rows.sum()) for rows in right), sum(map(len, right))
    if n_right < FEWEST_RIGHT:
        raise InputError(
            f"the model to begin from must have the energies of {FEWEST_RIGHT} frames of its own kind right "
            f"within {RIGHT * ELECTRONVOLT_PER_HARTREE:.2f} eV, but has those of {n_right} of {n_frames}. "
            "Begin without it."
        )
    centres = {
        group.name: fingerprints(group)[rows]
        for group, rows in zip(training, right, strict=True)
        if rows.any()
    }
    sentence = (
        f"it began with the matrix of another model, {model.name}, which had the energies of {n_right} of "
        f"{n_frames} training frames right, and went outward from these"
    )
    distances = [_distances(group, centres) for group in training]
    for rows, values in zip(right, distances, strict=True):
        values[rows] = 0.0
    farthest = max((float(values[np.isfinite(values)].max(initial=0.0)) for values in distances), default=0.0)
    judged = [_distances(group, centres) for group in validation]
    training_distances, validation_distances = (
        tuple(np.where(np.isfinite(values), values, farthest * (1.0 + 1.0 / N_RINGS)) for values in part)
        for part in (distances, judged)
    )
    return Outward(model.network, training_distances, validation_distances, sentence)


def _distances(group: Group, centres: dict[str, Float[np.ndarray, "frame feature"]]) -> np.ndarray:
    if group.name not in centres:
        return np.full(group.n_frames, np.inf)
    return nearest_distances(fingerprints(group), centres[group.name])


def _right(network: Network, samples: Samples) -> Bool[np.ndarray, "frame"]:
    """Tell where energies are right for a reason: inside of the training, and not by chance."""
    found = []
    precision = next(network.parameters()).dtype
    for start in range(0, len(samples), _CHUNK):
        batch = samples.take(torch.arange(start, min(start + _CHUNK, len(samples))))
        surroundings = batch.environment(batch.positions, network.network.cutoff, precision)
        with torch.no_grad():
            hamiltonian, features = network(surroundings)
            novelty = network.network.novelty(features, surroundings)
        error = (eigh(hamiltonian)[0][:, : network.n_states] - batch.energies).abs()
        # A label that is missing is not met.
        found.append((error < RIGHT).all(dim=1) & (novelty <= MOST_NOVELTY))
    return torch.cat(found).numpy()


def _check(model: LearnedModel, group: Group) -> None:
    known = model.network.network.elements
    unknown = sorted({symbol(int(number)) for number in group.atomic_numbers if int(number) not in known})
    if unknown:
        raise InputError(
            f"the model to begin from must know the elements of group {group.name!r}, but it knows "
            f"{', '.join(map(symbol, known))} and not {', '.join(unknown)}. Begin without it."
        )
    if model.n_states != group.n_states:
        raise InputError(
            f"the model to begin from must have the {group.n_states} states of the data, but has "
            f"{model.n_states}. Begin without it."
        )
