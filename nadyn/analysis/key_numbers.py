"""The few numbers of a run that come first, each with its uncertainty."""

import numpy as np

from nadyn.analysis.beside import Beside, product_beside
from nadyn.analysis.equilibrium_numbers import numbers_of_equilibrium
from nadyn.analysis.fates import MOST_UNKNOWN
from nadyn.analysis.hops import pairs_in_words
from nadyn.analysis.key_number import KeyNumber
from nadyn.analysis.multiplicities import among_spin_adiabatic_states, diabatic_names, multiplicity_name
from nadyn.checks.counts import counted
from nadyn.trajectory import Run

_MOST_PRODUCTS = 4
# From here on energies are in eV.
_LARGE_MEV = 1000.0
_NOTHING = "—"


def key_numbers(run: Run, numbers: dict[str, object], other: Beside | None = None) -> list[KeyNumber]:
    """Return the key numbers of a run from the dictionary of `analyse`, those of another run beside them."""
    found: list[KeyNumber] = []
    if "branching" in numbers:
        found += [_branch(numbers, name) for name in numbers["branching"]]
    elif run.changes_states:
        found += _multiplicities_at_end(run, numbers)
        if among_spin_adiabatic_states(run) and "multiplicity_populations" in numbers:
            found += _diabatic_at_end(run, numbers)
        else:
            found += _populations_at_end(run, numbers, other)
        found += [
            _lifetime(state, life, some_stopped=bool(numbers["n_stopped"]))
            for state, life in numbers["lifetimes_fs"].items()
        ]
    if "isomerisation" in numbers and run.changes_states:
        change = numbers["isomerisation"]
        detail = (
            f"of the {change['n_known']} of {change['n_trajectories']} trajectories that came to the end; "
            f"95 %: {_percent(change['isomerised_low'])} to {_percent(change['isomerised_high'])} %"
        )
        if change["n_known"] < change["n_trajectories"]:
            detail += ", whatever became of the others"
        found.append(_share("Isomerised", change["isomerised"], detail))
    everyone = f"of all {numbers['n_trajectories']}, at their last step"
    found += [
        _product(one, everyone, other, bool(numbers["n_stopped"]), float(run.time_fs[-1]))
        for one in numbers.get("products", [])[:_MOST_PRODUCTS]
    ]
    without = numbers["n_trajectories"] - sum(one["n"] for one in numbers.get("products", []))
    if numbers.get("products") and without:
        detail = f"{everyone}: whole, and stopped or still running, in a state of which no fate is known"
        found.append(KeyNumber("Without a product", str(without), "", detail))
    if not run.changes_states:
        found += numbers_of_equilibrium(numbers)
    elif run.moves_on != "mean of the states":
        detail = f"{pairs_in_words(numbers['hops'])}; {numbers['frustrated_hops']} refused"
        name = "Hops" if run.moves_on == "active state" else "Changes of the pointer state"
        found.append(KeyNumber(name, str(sum(numbers["hops"].values())), "", detail))
    if numbers["energy_drift_max_ev"] is not None:
        milli = 1e3 * float(numbers["energy_drift_max_ev"])
        detail = "largest, over all trajectories and steps"
        lost = numbers["n_stopped"].get("energy_step", 0)
        if lost:
            detail += f", with the {lost} in which a trajectory was stopped for it; frames do not hold those"
        value, unit = (milli, " meV") if milli < _LARGE_MEV else (1e-3 * milli, " eV")
        found.append(KeyNumber("Energy error", f"{value:.3g}", unit, detail))
    if "divided_steps" in numbers:
        n, of = numbers["divided_steps"]["n"], numbers["divided_steps"]["of"]
        detail = f"{n} of {of} time steps of all trajectories, as `adaptive` asks for"
        found.append(KeyNumber("Divided steps", f"{100 * n / max(of, 1):.3g}", " %", detail))
    stopped = sum(numbers["n_stopped"].values())
    early = "".join(
        f"{n} {ending.replace('_', ' ')}, "
        for ending, n in numbers["endings"].items()
        if n and ending != "finished"
    )
    outside = numbers["n_outside_method"]
    apart = f"{outside} outside of the method, " if outside else ""
    detail = (
        f"of {numbers['n_trajectories']}; {early}{apart}{stopped - outside} stopped early, "
        f"{numbers['n_running']} running"
    )
    found.append(KeyNumber("Finished", str(numbers["n_finished"]), "", detail))
    return found


def _populations_at_end(run: Run, numbers: dict[str, object], other: Beside | None) -> list[KeyNumber]:
    last = [
        np.array(numbers[name], dtype=float)[-1]
        for name in ("populations", "populations_low", "populations_high")
    ]
    when = f"{run.time_fs[-1]:.4g} fs"
    of = _counted(numbers) if np.isfinite(last[0]).any() else _not_known(numbers)
    details = [
        f"{of}; 95 %: {_percent(low)} to {_percent(high)} %" for _, low, high in zip(*last, strict=True)
    ]
    if numbers["n_stopped"]:
        held = np.array(numbers["populations_held"], dtype=float)[-1]
        details = [
            f"{detail}; {_percent(value)} % of all, the stopped ones held at their last state"
            for detail, value in zip(details, held, strict=True)
        ]
    if other is not None:
        details = [
            f"{detail}; {words}"
            if (words := _population_beside(other, k, float(run.time_fs[-1])))
            else detail
            for k, detail in enumerate(details)
        ]
    return [
        _share(f"State {k} at {when}", mean, detail)
        for k, (mean, detail) in enumerate(zip(last[0], details, strict=True))
    ]


def _share(name: str, fraction: float | None, detail: str) -> KeyNumber:
    """Return a fraction as a key number; a dash where too little is known to give one."""
    value = _percent(fraction)
    return KeyNumber(name, value, " %" if value != _NOTHING else "", detail)


def _population_beside(other: Beside, state: int, time_fs: float) -> str:
    """Return the population of the other run at the same time, empty if it has no frame there."""
    frame = int(np.abs(other.time_fs - time_fs).argmin())
    if not np.isclose(other.time_fs[frame], time_fs, rtol=0.01):
        return ""
    values = (other.populations[frame, state], other.low[frame, state], other.high[frame, state])
    return _beside_words(other, *values)


def _beside_words(other: Beside, value: float, low: float, high: float) -> str:
    return f"{other.name}: {_percent(value)} % ({_percent(low)} to {_percent(high)})"


def _counted(numbers: dict[str, object]) -> str:
    """Return of which trajectories a mean at the last frame is one."""
    counted, total = numbers["populations_counted"][-1], numbers["n_trajectories"]
    if counted == total:
        return f"of all {total}"
    return f"of the {counted} of {total} not stopped{' so far' if numbers['n_running'] else ''}"


def _not_known(numbers: dict[str, object]) -> str:
    """Return why there is no mean at the last frame."""
    unknown = numbers["n_trajectories"] - numbers["populations_counted"][-1]
    return f"not known, for {unknown} of {numbers['n_trajectories']} trajectories were stopped"


def sentence_on_method(numbers: dict[str, object]) -> str:
    """Return how many trajectories went where the level of theory itself fails, empty if none did."""
    n, total = numbers["n_outside_method"], numbers["n_trajectories"]
    if not n:
        return ""
    went = "trajectory went" if n == 1 else "trajectories went"
    return (
        f"Outside of the method: {n} {went}, of {total}, where the level of theory itself does not hold. No "
        "more data would help; they are no results, and intervals hold every fate they could have had."
    )


def note_on_stopped(run: Run, numbers: dict[str, object]) -> str:
    """Return a sentence on which trajectories the populations are of, empty if none was stopped."""
    if not numbers["n_stopped"] or not run.changes_states or "branching" in numbers:
        return ""
    total, when = numbers["n_trajectories"], f"{run.time_fs[-1]:.4g} fs"
    words = f"Populations at {when} are {_counted(numbers)}"
    if all(value is None for value in numbers["populations"][-1]):
        words = f"Populations at {when} are {_not_known(numbers)}"
    words += f"; fragments are of all {total}, at their last step." if numbers.get("products") else "."
    differ = np.nonzero(numbers["populations_differ"][-1])[0]
    if len(differ):
        each = ", ".join(
            f"{_percent(numbers['populations_held'][-1][k])} % instead of "
            f"{_percent(numbers['populations'][-1][k])} % on state {k}"
            for k in differ.tolist()
        )
        words += f" With the stopped ones held at their last state it is {each}: more apart than chance "
        words += "explains, so the stopped ones are not like the others."
    return words


def note_on_settled(numbers: dict[str, object]) -> str:
    """Return a sentence on what is taken for granted of those that settled, empty if none did."""
    n = numbers["endings"]["settled"]
    if not n:
        return ""
    after = f"{numbers['run']['stop']['lowest_state_fs']:g} fs"
    return (
        f"{n} of {counted(numbers['n_trajectories'], 'trajectory')} ended after {after} on the lowest state "
        "(`stop.lowest_state_fs`) and count as staying there, in intervals too. What became of their "
        "geometry is not known; coordinates are of those that still run."
    )


def _multiplicities_at_end(run: Run, numbers: dict[str, object]) -> list[KeyNumber]:
    when = f"{run.time_fs[-1]:.4g} fs"
    found = []
    for kind, values in numbers.get("multiplicity_populations", {}).items():
        mean, error = values[-1], numbers["multiplicity_populations_error"][kind][-1]
        detail = f"{_not_known(numbers)}; of the diabatic states"
        if mean is not None:
            detail = f"± {100 * error:.1f} % (standard error); of the diabatic states"
        found.append(_share(f"{multiplicity_name(int(kind)).capitalize()} at {when}", mean, detail))
    return found


def _diabatic_at_end(run: Run, numbers: dict[str, object]) -> list[KeyNumber]:
    """Return the diabatic states that hold something: each is something that a chemist knows, as S1."""
    names, when = diabatic_names(run), f"{run.time_fs[-1]:.4g} fs"
    if len(names) <= len(numbers["multiplicity_populations"]):
        return []
    found = []
    for name, mean, error in zip(
        names,
        numbers["diabatic_populations"][-1],
        numbers["diabatic_populations_error"][-1],
        strict=True,
    ):
        detail = _not_known(numbers) if mean is None else f"± {100 * error:.1f} % (standard error)"
        found.append(_share(f"{name} at {when}", mean, detail))
    return found


def _lifetime(state: str, life: dict[str, object], *, some_stopped: bool) -> KeyNumber:
    name = f"Lifetime of state {state}"
    if life["value"] is None:
        return KeyNumber(name, _NOTHING, "", str(life["reason"]))
    upper = f"to {life['high']:.3g} fs" if life["high"] is not None else "without an upper end"
    detail = f"95 %: {life['low']:.3g} fs {upper}"
    detail += ", whatever became of the stopped ones; " if some_stopped else "; "
    detail += f"after {life['delay']:.3g} fs"
    return KeyNumber(name, f"{life['value']:.3g}", " fs", detail)


def _product(
    one: dict[str, object], everyone: str, other: Beside | None, some_stopped: bool, end_fs: float
) -> KeyNumber:
    detail = (
        f"{counted(one['n'], 'trajectory')} {everyone}; 95 %: {_percent(one['low'])} to "
        f"{_percent(one['high'])} %"
    )
    same = product_beside(other, one["fragments"], one["state"])
    if same is not None:
        detail += f"; {_beside_words(other, same.fraction, same.low, same.high)}"
        detail += "" if other.ends_with(end_fs) else f" at {other.end_fs:.4g} fs"
    name = one["fragments"] if one["state"] is None else f"{one['fragments']}, state {one['state']}"
    says_nothing = some_stopped and one["high"] - one["low"] > MOST_UNKNOWN
    return _share(name, None if says_nothing else one["fraction"], detail)


def _branch(numbers: dict[str, object], name: str) -> KeyNumber:
    value, error = numbers["branching"][name], numbers["branching_error"][name]
    where = f"{'Transmitted' if name[0] == 'T' else 'Reflected'}, state {name[1:]}"
    if value is None:
        return KeyNumber(where, _NOTHING, "", "not known: most trajectories were stopped or have not left")
    return KeyNumber(where, f"{value:.3f}", "", f"± {error:.3f} (standard error)")


def _percent(value: float | None) -> str:
    # Not -0.0.
    return f"{round(100 * value, 1) + 0.0:.1f}" if value is not None and np.isfinite(value) else _NOTHING
