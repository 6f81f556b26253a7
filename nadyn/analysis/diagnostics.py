"""Traffic lights over a run: what looks wrong, and in which trajectories."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from nadyn.analysis.fates import OUTSIDE_METHOD, RUNNING, ended_as_asked
from nadyn.analysis.lights import Light, Verdict
from nadyn.checks.counts import counted
from nadyn.trajectory import Run
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE, FEMTOSECOND_PER_AU

# From this part of all trajectories on, by weight, something is bad.
_BAD_FROM = 0.05
# Largest values as in `diagnostics.py` of SHARC [eV; the norm has no unit].
TOTAL_WINDOW_EV, TOTAL_STEP_EV, POTENTIAL_STEP_EV, KINETIC_STEP_EV = 0.2, 0.1, 0.7, 0.7
HOP_ENERGY_EV, NORM_WINDOW = 1.0, 1e-7
# Frames farther apart than this say nothing of a step [fs].
_STEP_FS = 1.0
# What a run stops at where its run file names nothing else, see `nadyn.dynamics.run`.
NOVELTY, ENERGY_SPREAD_EV, GAP_SPREAD_EV, FORCE_SPREAD_EV_PER_ANGSTROM = 0.03, 0.2, 0.25, 1.0


def diagnose(run: Run) -> list[Light]:
    """Return all lights of a run: doubtful where trajectories are concerned, bad from 5 % by weight.

    Steps of the potential and kinetic energy and gaps at hops are doubtful at most: fast hydrogen passes
    their limits in the best of runs, and what is wrong with a step shows in the total energy.

    Total energy (window 0.2 eV, from frame to frame 0.1 eV), potential and kinetic energy from frame to frame
    without a hop (0.7 eV), gaps at hops (1 eV) and the norm (1e-7) have the limits of SHARC's
    `diagnostics.py`; novelty and the spreads of a committee those at which a run stops; intruder states and
    other stops are counted.

    Source: S. Mai, P. Marquetand and L. González, WIREs Comput. Mol. Sci. 8, e1370 (2018).
    """
    alive = run.alive()
    lights = [_total_window(run, alive), _total_step(run, alive)]
    if run.changes_states:
        lights += _steps(run, alive)
        lights += [_hops(run), _norm(run, alive)]
    lights.append(_intruders(run))
    limits = run.config.get("stop")
    lights += _of_model(run, alive, limits if isinstance(limits, Mapping) else {})
    lights.append(_stops(run))
    return lights


def _light(
    run: Run,
    name: str,
    wrong: Bool[np.ndarray, "traj"],
    words: str,
    *,
    largest: str = "",
    worst: Int[np.ndarray, "wrong"] | None = None,
    at_most: Verdict = "bad",
) -> Light:
    """Return a light by the weight of the trajectories that are wrong.

    Args:
        run: The run.
        name: Of the light.
        wrong: Which trajectories are.
        words: What is wrong, before their number.
        largest: The largest value seen.
        worst: The trajectories that are wrong, the worst first; rising without it.
        at_most: The verdict that many of them have.
    """
    part = float(run.weight[wrong].sum() / run.weight.sum())
    which = tuple(np.nonzero(wrong)[0].tolist()) if worst is None else tuple(worst.tolist())
    verdict: Verdict = "good" if not which else "doubtful" if part < _BAD_FROM else at_most
    number = f"{len(which) or 'none'} of {counted(run.n_trajectories, 'trajectory')}"
    return Light(name, verdict, f"{words}: {number}{f'; {largest}' if largest else ''}.", which)


def _beyond(
    run: Run,
    name: str,
    values: Float[np.ndarray, "frame traj"],
    limit: float,
    what: str,
    unit: str,
    *,
    at_most: Verdict = "bad",
) -> Light:
    """Return a light of values that must stay below a limit; NaN where there are none."""
    seen = np.where(np.isfinite(values), values, -np.inf).max(axis=0, initial=-np.inf)
    if not np.isfinite(seen).any():
        return Light(name, "unknown", "The file holds no value.")
    worst = int(np.argmax(seen))
    largest = f"the largest is {seen[worst]:.3g}{unit}, of trajectory {worst}"
    order = np.argsort(-seen, kind="stable")[: int((seen > limit).sum())]
    words = f"{what} of more than {limit:g}{unit}"
    return _light(run, name, seen > limit, words, largest=largest, worst=order, at_most=at_most)


def _total_window(run: Run, alive: Bool[np.ndarray, "frame traj"]) -> Light:
    error = np.asarray(run.total_energy_error) * ELECTRONVOLT_PER_HARTREE
    high = np.where(alive, error, -np.inf).max(axis=0)
    low = np.where(alive, error, np.inf).min(axis=0)
    # Between frames the largest size is known, and a window is at least as wide.
    between = np.asarray(run.energy_error_max) * ELECTRONVOLT_PER_HARTREE
    window = np.maximum(high - low, between)[None]
    return _beyond(run, "total energy", window, TOTAL_WINDOW_EV, "Window", " eV")


def _total_step(run: Run, alive: Bool[np.ndarray, "frame traj"]) -> Light:
    error = np.where(alive, np.asarray(run.total_energy_error), np.nan) * ELECTRONVOLT_PER_HARTREE
    name, what = "steps of the total energy", "Change from frame to frame"
    return _beyond(run, name, np.abs(np.diff(error, axis=0)), TOTAL_STEP_EV, what, " eV")


def _steps(run: Run, alive: Bool[np.ndarray, "frame traj"]) -> list[Light]:
    names = ("steps of the potential energy", "steps of the kinetic energy")
    apart = float(run.time_fs[1] - run.time_fs[0]) if run.committed_frames > 1 else 0.0
    if apart > _STEP_FS or run.moves_on != "active state":
        words = f"Frames are {apart:.3g} fs apart, too far to tell." if apart > _STEP_FS else ""
        return [Light(name, "unknown", words or "Trajectories move on no single state.") for name in names]
    state = np.asarray(run.active_state)
    kept = alive[1:] & alive[:-1] & (state[1:] == state[:-1]) & ~_hopped(run)
    potential = np.take_along_axis(np.asarray(run.energies), np.maximum(state, 0)[..., None], axis=2)[..., 0]
    found = []
    for name, values, limit in (
        (names[0], potential, POTENTIAL_STEP_EV),
        (names[1], np.asarray(run.kinetic_energy), KINETIC_STEP_EV),
    ):
        change = np.where(kept, np.abs(np.diff(values, axis=0)), np.nan) * ELECTRONVOLT_PER_HARTREE
        what = "Change from frame to frame, without a hop,"
        found.append(_beyond(run, name, change, limit, what, " eV", at_most="doubtful"))
    return found


def _hopped(run: Run) -> Bool[np.ndarray, "step traj"]:
    """Return between which frames a trajectory hopped, to and fro as well."""
    found = np.zeros((max(run.committed_frames - 1, 0), run.n_trajectories), bool)
    accepted = run.hops["accepted"] == 1
    frame = (run.hops["step"][accepted] - 1) // int(run.attributes["write_every"])
    inside = (frame >= 0) & (frame < len(found))
    found[frame[inside], run.hops["traj"][accepted][inside]] = True
    return found


def _hops(run: Run) -> Light:
    name = "gaps at hops"
    accepted = run.hops["accepted"] == 1
    if run.moves_on != "active state" or not accepted.any():
        return Light(name, "good" if run.moves_on == "active state" else "unknown", "There was no hop.")
    gap = np.abs(run.hops["gap"][accepted]) * ELECTRONVOLT_PER_HARTREE
    traj, step = run.hops["traj"][accepted], run.hops["step"][accepted]
    wide = gap > HOP_ENERGY_EV
    wrong = np.zeros(run.n_trajectories, bool)
    wrong[traj[wide]] = True
    worst = int(np.argmax(gap))
    fs = step[worst] * float(run.attributes["dt_au"]) * FEMTOSECOND_PER_AU
    words = f"Hops across a gap of more than {HOP_ENERGY_EV:g} eV, {int(wide.sum())} of {len(gap)}"
    largest = f"the largest is {gap[worst]:.3g} eV, of trajectory {traj[worst]} at {fs:.4g} fs"
    return _light(run, name, wrong, words, largest=largest, at_most="doubtful")


def _norm(run: Run, alive: Bool[np.ndarray, "frame traj"]) -> Light:
    norm = (np.asarray(run.coefficients) ** 2).sum(axis=(2, 3))
    if not np.allclose(norm[0], 1.0, atol=1e-6):
        return Light("norm", "unknown", "The coefficients of this method have no norm of 1.")
    high, low = (f(axis=0) for f in (np.where(alive, norm, -np.inf).max, np.where(alive, norm, np.inf).min))
    return _beyond(run, "norm", (high - low)[None], NORM_WINDOW, "Window", "")


def _intruders(run: Run) -> Light:
    words = "Stopped where a surplus level of the latent basis met the states in use"
    return _light(run, "surplus levels", _with_status(run, "intruder_state"), words)


def _of_model(run: Run, alive: Bool[np.ndarray, "frame traj"], limits: Mapping[str, object]) -> list[Light]:
    def limit(key: str, default: float) -> float:
        given = limits.get(key)
        return default if given is None else float(given)

    def values(name: str, unit: float) -> Float[np.ndarray, "row traj"] | None:
        stored = getattr(run, name)
        if stored is None:
            return None
        found = np.where(alive, np.asarray(stored), np.nan) * unit
        # The step that stopped a trajectory stands beside its frames.
        return found if name not in run.stops else np.vstack([found, run.stops[name] * unit])

    force = ELECTRONVOLT_PER_HARTREE / ANGSTROM_PER_BOHR
    rows = (
        ("novelty", "novelty", 1.0, limit("novelty", NOVELTY), "Novelty", ""),
        (
            *("committee: energy", "energy_spread", ELECTRONVOLT_PER_HARTREE),
            *(limit("energy_spread_ev", ENERGY_SPREAD_EV), "Spread", " eV"),
        ),
        (
            *("committee: gaps", "gap_spread", ELECTRONVOLT_PER_HARTREE),
            *(limit("gap_spread_ev", GAP_SPREAD_EV), "Spread", " eV"),
        ),
        (
            *("committee: forces", "force_spread", force),
            limit("force_spread_ev_per_angstrom", FORCE_SPREAD_EV_PER_ANGSTROM),
            *("Spread", " eV/Å"),
        ),
    )
    found = []
    for name, column, unit, most, what, shown in rows:
        seen = values(column, unit)
        if seen is not None:
            found.append(_beyond(run, name, seen, most, what, shown))
    if run.novelty is None and run.energy_spread is None:
        found.append(Light("model", "unknown", "The model knows neither its training set nor a committee."))
    return found


def _stops(run: Run) -> Light:
    """Return a light of all that stopped without a result, and of those that did so without a word why."""
    names = np.array([run.status_names[int(code)] for code in run.status])
    wrong = ~ended_as_asked(run) & (names != RUNNING)
    reasons = sorted(set(names[wrong].tolist()))
    each = ", ".join(f"{int((names == reason).sum())} {reason.replace('_', ' ')}" for reason in reasons)
    known = {run.status_names.get(code) for code, advice in run.status_advice.items() if advice}
    silent = [reason for reason in reasons if reason not in known and reason != OUTSIDE_METHOD]
    light = _light(run, "stops", wrong, "Stopped before the end without a result", largest=each)
    if not silent:
        return light
    words = f"{light.sentence} Nothing is known of why: {', '.join(silent).replace('_', ' ')}."
    return Light(light.name, "bad", words, light.trajectories)


def _with_status(run: Run, name: str) -> Bool[np.ndarray, "traj"]:
    return np.array([run.status_names[int(code)] == name for code in run.status])
