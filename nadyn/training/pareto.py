"""The front of energy against force: models that weigh the two differently, each trained to its end."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.checks.output import write_new
from nadyn.data import Dataset
from nadyn.models.learned import LearnedModel
from nadyn.models.model_file import load_model
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.evaluation import evaluate
from nadyn.training.held_out import hold_out
from nadyn.training.origin import check_origin, origin
from nadyn.training.progress import Progress
from nadyn.training.train import train

# From the smallest to the largest weight of forces, as a ratio to that of the configuration.
_RANGE = 1000.0


@dataclass(frozen=True)
class Point:
    """One model of a front.

    Attributes:
        model: Name of its file in the folder.
        force_weight: Weight of forces in its loss, beside that of energies.
        energy_mae_ev: Mean over states, on the held-out frames [eV].
        force_mae_ev_per_angstrom: The same of forces [eV/Å].
        on_front: Whether no other model is as good in one of the two and better in the other.
    """

    model: str
    force_weight: float
    energy_mae_ev: float
    force_mae_ev_per_angstrom: float
    on_front: bool = False


def force_weights(middle: float, n: int) -> tuple[float, ...]:
    """Return n weights, equidistant in their logarithm, from `middle` / 32 to 32 times it."""
    return tuple(float(f"{middle * _RANGE ** (k / (n - 1) - 0.5):.4g}") for k in range(n))


def marked(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """Return the points with `on_front` set."""

    def beaten(one: Point) -> bool:
        return any(
            other.energy_mae_ev <= one.energy_mae_ev
            and other.force_mae_ev_per_angstrom <= one.force_mae_ev_per_angstrom
            and other != one
            for other in points
        )

    return tuple(Point(**(asdict(one) | {"on_front": not beaten(one)})) for one in points)


def pareto(
    dataset: Dataset,
    folder: Path,
    configuration: TrainingConfiguration,
    *,
    n: int,
    report: Callable[[int, Progress], None] = lambda number, progress: None,
) -> tuple[Point, ...]:
    """Train n models with rising weights of forces and return their errors on the same held-out frames.

    Every model is a file of the folder, and so is `front.json`. A folder that is there already is gone on
    with: what is trained is kept.

    Args:
        dataset: Labelled frames with forces.
        folder: Where the models go.
        configuration: Of each training but for its weight of forces, which is the middle of the range.
        n: Number of models, 3 at least.
        report: Called after each step with the number of the model and its progress.

    Raises:
        InputError: Fewer than 3 models, no forces, nothing held out, or the folder holds models of other
            data or another configuration.
    """
    if n < 3:
        raise InputError(f"`--models` must be at least 3 for a front, but is {n}.")
    if all(group.forces is None for group in dataset.groups):
        raise InputError("a front of energy against force must have data with forces, but this has none.")
    held_out = hold_out(dataset, configuration).validation
    if held_out is None:
        raise InputError(
            "the data must have frames to hold out for a front, but with `validation_fraction` "
            f"{configuration.validation_fraction:g} it has none. Try 0.1."
        )
    if all(group.forces is None or np.isnan(group.forces).all() for group in held_out.groups):
        raise InputError("the frames that are held out for a front must have forces, but have none.")
    folder.mkdir(parents=True, exist_ok=True)
    points = []
    for number, weight in enumerate(force_weights(configuration.weights.force, n)):
        weights = configuration.weights.model_copy(update={"force": weight})
        settings = configuration.model_copy(update={"weights": weights})
        path = folder / f"force_weight_{weight:g}.safetensors"
        if path.exists():
            _check_same(load_model(path), path, settings, dataset)
        else:
            train(dataset, path, settings, resume=True, report=lambda p, number=number: report(number, p))
        points.append(_judged(load_model(path), path, weight, held_out))
    result = marked(tuple(points))
    write_new(folder / "front.json", json.dumps([asdict(point) for point in result], indent=1))
    return result


def _check_same(
    model: LearnedModel, path: Path, configuration: TrainingConfiguration, dataset: Dataset
) -> None:
    known = {"configuration": model.trained_on["configuration"], "data": model.trained_on["data"]}
    try:
        check_origin(known | {"begin_from": {"sha256": []}}, origin(configuration, dataset))
    except InputError:
        raise InputError(
            f"{str(path)!r} must be of this data and configuration to be a part of the front, but is not. "
            "Choose another folder."
        ) from None


def _judged(model: LearnedModel, path: Path, weight: float, held_out: Dataset) -> Point:
    errors = evaluate(model, held_out)

    def mean(name: str) -> float:
        # Of one molecule there may be labels that another lacks.
        known = [group for group in held_out.groups if name in errors[group.name]]
        rows = [np.nanmean(errors[group.name][name]) for group in known]
        return float(np.average(rows, weights=[group.n_frames for group in known]))

    return Point(path.name, weight, mean("energy_mae_ev"), mean("force_mae_ev_per_angstrom"))


def in_words(points: tuple[Point, ...]) -> str:
    """Return a sentence on the ends of the front."""
    front = [point for point in points if point.on_front]
    energy = min(front, key=lambda one: one.energy_mae_ev)
    force = min(front, key=lambda one: one.force_mae_ev_per_angstrom)
    return (
        f"{counted(len(front), 'model')} of {len(points)} on the front: best energies "
        f"{energy.energy_mae_ev:.4f} eV with {energy.force_mae_ev_per_angstrom:.4f} eV/Å (force weight "
        f"{energy.force_weight:g}), best forces {force.force_mae_ev_per_angstrom:.4f} eV/Å with "
        f"{force.energy_mae_ev:.4f} eV (force weight {force.force_weight:g})."
    )
