"""What the model of a run says of light along it, for reports and spectra."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nadyn.analysis.light import Absorption, Light
    from nadyn.dynamics.spectra.excitation import Excitations
    from nadyn.models.model import Model
    from nadyn.trajectory import Run

_POINTS = 600
_WIDTH_EV = 0.1
_BEYOND = 3.0
# Weaker than this part of the strongest excitation, none widens the range that is shown.
_DARK = 1e-2


def light_of_run(
    run: "Run", path: Path, absorption: Path | None = None, labels: Path | None = None
) -> "Light | None":
    """Return what light would see of a run; None where its model is not there any more, or knows no dipoles.

    Args:
        run: The run, or several of one model as one.
        path: The first of its files.
        absorption: JSON of `nadyn spectrum --kind uv` of a larger ensemble, instead of the starts of the run.
        labels: Folder with labels of a run of direct dynamics.

    Raises:
        InputError: `absorption` or `labels` are given and are not that.
    """
    from dataclasses import replace

    from nadyn.checks.errors import InputError
    from nadyn.dynamics.run.model_of_run import model_of_run
    from nadyn.electronic.properties import knows

    given = None if absorption is None else absorption_of_file(absorption)
    if labels is not None:
        from nadyn.cli.light_of_labels import seen_by_store

        light, _ = seen_by_store(run, path, labels)
        return light if given is None else replace(light, absorption=given)
    try:
        model = model_of_run(path).model
    except InputError:
        model = None
    if model is None or not knows(model, "dipole"):
        return None if given is None else _without_model(run, given)
    return seen_by(model, run, given)


def seen_by(model: "Model", run: "Run", absorption: "Absorption | None" = None) -> "Light":
    """Return energies and dipoles of a model at frames of a run.

    Raises:
        InputError: The model knows no dipoles, or has other states or atoms than the run.
    """
    import numpy as np

    from nadyn.analysis.light import Light, chosen
    from nadyn.dynamics.spectra.levels import levels_and_dipoles

    frames, trajectories = chosen(run)
    # Frame by frame: a swarm in one file may be large.
    positions = np.stack([run.positions[frame][trajectories] for frame in frames.tolist()])
    found = levels_and_dipoles(model, positions.reshape(-1, *positions.shape[2:]), n_states=run.n_states)
    shape = positions.shape[:2]
    if absorption is None and run.n_states > 1:
        absorption = _of_starts(model, run)
    return Light(
        frames,
        trajectories,
        found.energies.reshape(*shape, *found.energies.shape[1:]),
        found.dipoles.reshape(*shape, *found.dipoles.shape[1:]),
        found.squares.reshape(*shape, *found.squares.shape[1:]),
        absorption,
    )


def absorption_of_file(path: Path) -> "Absorption":
    """Return the absorption that `nadyn spectrum --kind uv --json` has written.

    Raises:
        InputError: There is no such file, or it holds something else.
    """
    from dataclasses import replace

    import numpy as np

    from nadyn.checks.errors import InputError
    from nadyn.checks.files import check_file
    from nadyn.checks.json_text import parse_json
    from nadyn.dynamics.spectra.excitation import Excitations
    from nadyn.units import HARTREE_PER_EV

    check_file(path, f"`--absorption` {str(path)!r}")
    try:
        plain = parse_json(path.read_text(encoding="utf-8"))
        gaps = np.array(plain["excitation_energies_ev"], dtype=float)
        strengths = np.array(plain["oscillator_strengths"], dtype=float)
        weights = np.array(plain["weights"], dtype=float)
        window = plain["window_ev"]
        names, origin, width = list(plain["transitions"]), str(plain["origin"]), float(plain["fwhm_ev"])
        if not (gaps.ndim == 2 and gaps.shape == strengths.shape == (len(weights), len(names))):
            raise ValueError("the arrays do not fit")
        if not (np.isfinite([gaps, strengths]).all() and (gaps > 0).any() and width > 0):
            raise ValueError("nothing absorbs")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"`--absorption` must be JSON that nadyn spectrum --kind uv wrote, but {str(path)!r} is "
            "not. Write it with: nadyn spectrum MODEL --kind uv --json FILE"
        ) from error
    order = np.tile(np.arange(1, gaps.shape[1] + 1), (len(gaps), 1))
    found = Excitations(
        0, tuple(range(1, gaps.shape[1] + 1)), gaps * HARTREE_PER_EV, strengths, weights, order
    )
    words = f"{len(gaps)} geometries, {origin}"
    window = None if window is None else (float(window[0]), float(window[1]))
    return replace(_curve(found, names, words, window, width), file=path)


def _of_starts(model: "Model", run: "Run") -> "Absorption | None":
    """Return the absorption at the starts of a run from the lowest state, with the range that was excited."""
    import numpy as np

    from nadyn.analysis.multiplicities import state_names
    from nadyn.dynamics.spectra.excitation import excitations
    from nadyn.electronic.state_spins import has_several_spins, known_multiplicities

    found = excitations(model, np.array(run.positions[0], dtype=float), weight=run.weight)
    if not (found.energies > 0).any():
        return None
    called = [str(k) for k in range(model.n_states)]
    if has_several_spins(model):
        called = state_names(known_multiplicities(model))
    names = [f"{called[0]}-{called[k]}" for k in found.to_states]
    words = f"the {run.n_trajectories} geometries at which the trajectories start, from the lowest state"
    return absorption_of_excitations(found, names, words, run)


def absorption_of_excitations(found: "Excitations", names: list[str], words: str, run: "Run") -> "Absorption":
    """Return the absorption of excitations of starts, with the range that was excited.

    Args:
        found: The excitations.
        names: Of the transitions.
        words: Which geometries these are.
        run: The run whose starts they are.
    """
    import numpy as np

    from nadyn.units import ELECTRONVOLT_PER_HARTREE

    energies, state = np.array(run.energies[0]), np.array(run.active_state[0])
    above = (
        np.take_along_axis(energies, state[:, None], axis=1)[:, 0] - energies[:, 0]
    ) * ELECTRONVOLT_PER_HARTREE
    excited = state > 0
    window = (float(above[excited].min()), float(above[excited].max())) if excited.any() else None
    return _curve(found, names, words, window, _WIDTH_EV)


def _curve(
    found: object, names: list[str], words: str, window: tuple[float, float] | None, width_ev: float
) -> "Absorption":
    import numpy as np

    from nadyn.analysis.light import Absorption
    from nadyn.dynamics.spectra.excitation import absorption
    from nadyn.units import ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV

    gaps = found.energies * ELECTRONVOLT_PER_HARTREE
    bright = (gaps > 0) & (found.strengths >= _DARK * found.strengths.max())
    lowest = max(0.01, float(gaps[bright].min()) - _BEYOND * width_ev)
    energies_ev = np.linspace(lowest, float(gaps[bright].max()) + _BEYOND * width_ev, _POINTS)
    curve = absorption(found, energies_ev * HARTREE_PER_EV, fwhm=width_ev * HARTREE_PER_EV)
    return Absorption(
        energies_ev, curve.cross_section, curve.error, curve.of_transitions, names, window, words
    )


def _without_model(run: "Run", absorption: "Absorption") -> "Light":
    """Return an absorption alone."""
    import numpy as np

    from nadyn.analysis.light import Light

    none = np.zeros(0, dtype=int)
    n = run.n_states
    return Light(none, none, np.zeros((0, 0, n)), np.zeros((0, 0, n, 3)), np.zeros((0, 0, n, n)), absorption)
