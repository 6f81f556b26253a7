"""What stands beside a model of its training: learning curves, and predictions beside labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.checks.json_text import parse_json
from nadyn.trajectory import Run
from nadyn.units import (
    CUBIC_ANGSTROM_PER_AU,
    DEBYE_PER_AU,
    ELECTRONVOLT_PER_HARTREE,
    EV_PER_ANGSTROM_PER_AU,
    GIGAPASCAL_PER_AU,
)

# Keys of a history whose values are mean absolute errors by state or pair [au], what one of them is
# here, and the unit.
_ERRORS = {
    "energy_mae": ("energies", ELECTRONVOLT_PER_HARTREE, "eV"),
    "force_mae": ("forces", EV_PER_ANGSTROM_PER_AU, "eV/Å"),
    "coupling_mae": ("couplings h", EV_PER_ANGSTROM_PER_AU, "eV/Å"),
    "stress_mae": ("stress", GIGAPASCAL_PER_AU, "GPa"),
    "dipole_mae": ("dipoles", DEBYE_PER_AU, "debye"),
    "transition_dipole_mae": ("transition dipoles", DEBYE_PER_AU, "debye"),
    "polarisability_mae": ("polarisabilities", CUBIC_ANGSTROM_PER_AU, "Å³"),
    "charge_mae": ("charges", 1.0, "e"),
}


@dataclass(frozen=True, eq=False)
class Curve:
    """The error of one quantity over the steps of one training.

    Attributes:
        quantity: In words.
        unit: Of the errors.
        member: Number of the member of a committee; 0 of a single model.
        steps: At which it was judged.
        errors: Mean absolute error, the mean over states or pairs.
    """

    quantity: str
    unit: str
    member: int
    steps: Float[np.ndarray, "validation"]
    errors: Float[np.ndarray, "validation"]


@dataclass(frozen=True, eq=False)
class Parity:
    """Labels and predictions of one quantity of one state or pair.

    Attributes:
        quantity: In words.
        unit: Of all numbers.
        name: Of the state or pair.
        n: How many labels there are; fewer are kept.
        mean_absolute_error: Of all of them.
        label: Some labels.
        prediction: What the model says of the same.
    """

    quantity: str
    unit: str
    name: str
    n: int
    mean_absolute_error: float
    label: Float[np.ndarray, "point"]
    prediction: Float[np.ndarray, "point"]


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """The training of the model of a run.

    Attributes:
        file: Where it was found.
        judged: Which frames errors are of.
        curves: Learning curves.
        parity: Predictions beside labels.
    """

    file: Path
    judged: str
    curves: tuple[Curve, ...]
    parity: tuple[Parity, ...]


def training_record(run: Run) -> TrainingRecord | None:
    """Return what `nadyn train` left beside the model of a run; None where it is not there or of another one.

    Args:
        run: Its run file names a model file, from where it ran or from its folder.
    """
    named = run.config.get("model")
    if not isinstance(named, str):
        return None
    for path in (Path(named), run.path.parent / named, run.path.parent / Path(named).name):
        try:
            history = path.with_suffix(".history.json")
            content = parse_json(history.read_text(encoding="utf-8"))
            if content.get("model_digest") == run.attributes["model_digest"]:
                return _record(history, content)
        except (OSError, ValueError, AttributeError, KeyError, TypeError):
            # No file, or one that was changed by hand: a page is made without it.
            continue
    return None


def _record(path: Path, content: dict) -> TrainingRecord:
    members = content.get("members", [content])
    curves = tuple(curve for number, one in enumerate(members) for curve in _curves(one["history"], number))
    parity = tuple(
        Parity(
            str(panel["quantity"]),
            str(panel["unit"]),
            str(column["name"]),
            int(column["n"]),
            float(column["mean_absolute_error"]),
            np.array(column["label"], dtype=float),
            np.array(column["prediction"], dtype=float),
        )
        for panel in content["parity"]
        for column in panel["columns"]
    )
    for one in parity:
        if one.label.ndim != 1 or not len(one.label) or one.label.shape != one.prediction.shape:
            raise ValueError("labels and predictions do not fit")
        if not np.isfinite([one.label, one.prediction]).all():
            raise ValueError("a label or a prediction is no number")
    return TrainingRecord(path, str(content["judged"]), curves, parity)


def _curves(history: list[dict], member: int) -> list[Curve]:
    found = []
    for key, (name, factor, unit) in _ERRORS.items():
        judged = [(one["step"], np.array(one[key], dtype=float)) for one in history if one.get(key)]
        judged = [(step, errors) for step, errors in judged if np.isfinite(errors).any()]
        if judged:
            steps = np.array([step for step, _ in judged], dtype=float)
            errors = factor * np.array([np.nanmean(errors) for _, errors in judged])
            found.append(Curve(name, unit, member, steps, errors))
    return found
