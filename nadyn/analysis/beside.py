"""Numbers of another run to stand beside those of a run: a reference on other surfaces, another method."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.analysis.multiplicities import among_spin_adiabatic_states
from nadyn.analysis.products import Product
from nadyn.analysis.unlike_dynamics import unlike_dynamics
from nadyn.checks.errors import InputError
from nadyn.checks.json_text import parse_json
from nadyn.checks.kinds import Kind, kind_of
from nadyn.trajectory import Run

_NEEDED = ("time_fs", "populations", "populations_low", "populations_high", "n_trajectories")
# Times at which a figure shows the other numbers, so that its intervals can be told apart.
_SHOWN = 12
# Two times that differ by less than this part are one.
_SAME_TIME = 0.01


@dataclass(frozen=True)
class Beside:
    """What `nadyn analyse --json` wrote of another run.

    Attributes:
        name: What the other numbers are, as a legend says it.
        n_trajectories: Of the other run.
        time_fs: [fs].
        populations: Of its states.
        low: Lower ends of their 95 % intervals.
        high: Upper ends.
        products: Its products at its end; empty where it has none.
        config: Its run file; empty where the JSON does not say.
    """

    name: str
    n_trajectories: int
    time_fs: Float[np.ndarray, "frame"]
    populations: Float[np.ndarray, "frame state"]
    low: Float[np.ndarray, "frame state"]
    high: Float[np.ndarray, "frame state"]
    products: tuple[Product, ...]
    config: Mapping[str, object] = field(default_factory=dict)

    @property
    def end_fs(self) -> float:
        """Time of its last frame [fs]."""
        return float(self.time_fs[-1])

    def ends_with(self, time_fs: float) -> bool:
        """Tell whether its end, at which its products are, is at that time."""
        return bool(np.isclose(self.end_fs, time_fs, rtol=_SAME_TIME))


def read_beside(path: str | Path, *, n_states: int, name: str | None = None) -> Beside:
    """Return the numbers that `nadyn analyse --json` wrote to a file.

    Args:
        path: The JSON file.
        n_states: States of the run that they are to stand beside.
        name: What they are; without it the entry `name` of the file, or its stem.

    Raises:
        InputError: The file is missing, no such JSON, or of another number of states.
    """
    path = Path(path)
    try:
        numbers = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"`beside` must be a file that exists, but {str(path)!r} does not. "
            "Write it with: nadyn analyse OTHER.h5 --json FILE"
        ) from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        is_run = path.is_file() and kind_of(path) is Kind.HDF5
        raise InputError(
            f"`beside` must be JSON that nadyn analyse wrote, but {str(path)!r} cannot be read as JSON. "
            f"Write it with: nadyn analyse {path if is_run else 'OTHER.h5'} --json FILE"
        ) from error
    missing = [key for key in _NEEDED if not isinstance(numbers, dict) or key not in numbers]
    if missing:
        raise InputError(
            f"`beside` must be JSON that nadyn analyse wrote, but {str(path)!r} has no `{missing[0]}`. "
            "Write it with: nadyn analyse OTHER.h5 --json FILE"
        )
    arrays = [np.array(numbers[key], dtype=float) for key in _NEEDED[:4]]
    if arrays[1].ndim != 2 or arrays[1].shape[1] != n_states:
        there = arrays[1].shape[1] if arrays[1].ndim == 2 else 0
        raise InputError(
            f"`beside` must be of as many states as the run, {n_states}, but {str(path)!r} has {there}. "
            "Compare runs of one number of states."
        )
    products = tuple(
        Product(**{one.name: written[one.name] for one in fields(Product)})
        for written in numbers.get("products", ())
    )
    label = name or str(numbers.get("name") or path.stem)
    config = numbers.get("run")
    config = config if isinstance(config, dict) else {}
    return Beside(label, int(numbers["n_trajectories"]), *arrays, products, config)


def differences(run: Run, other: Beside) -> list[str]:
    """Return sentences on what makes a comparison one of unlike things: another end, another dynamics."""
    found = []
    end = float(run.time_fs[-1])
    if not other.ends_with(end):
        found.append(
            f"{other.name} ends at {other.end_fs:.4g} fs, this run at {end:.4g} fs: populations are compared "
            f"at equal times{', products as they are at the end of each' * bool(other.products)}."
        )
    if not other.config:
        found.append(
            f"The numbers of {other.name} do not say with which method, decoherence and time step they were "
            "made."
        )
        return found
    unlike = unlike_dynamics(run.config, other.config, spin_adiabatic=among_spin_adiabatic_states(run))
    if unlike:
        written = [f"`{key}` {there} instead of {here}" for key, (here, there) in unlike.items()]
        found.append(f"{other.name} was run with {', '.join(written)}.")
    return found


def shown_frames(other: Beside, until_fs: float) -> np.ndarray:
    """Return the frames of the other run that a figure up to a time shows, evenly chosen."""
    last = int(np.searchsorted(other.time_fs, until_fs * (1 + 1e-9), side="right")) - 1
    return np.unique(np.linspace(0, max(last, 0), _SHOWN + 1).round().astype(int))[1:]


def product_beside(other: Beside | None, fragments: str, state: int | None) -> Product | None:
    """Return the same product of the other run, None where it has none."""
    if other is None:
        return None
    return next((one for one in other.products if (one.fragments, one.state) == (fragments, state)), None)
