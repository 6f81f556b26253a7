"""The answer of a run in a few sentences, with numbers and intervals, or that there is none and why."""

from dataclasses import asdict

import numpy as np

from nadyn.analysis.multiplicities import among_spin_adiabatic_states, diabatic_names, multiplicity_name
from nadyn.analysis.products import yields
from nadyn.analysis.typesetting import typeset
from nadyn.checks.counts import counted
from nadyn.structures import formula
from nadyn.trajectory import Run
from nadyn.units import FEMTOSECOND_PER_AU

_MOST_PRODUCTS = 3
# Smaller shares are no part of a sentence; the figures show them.
_LEAST_POPULATION = 0.005
_ALL = 1 - 1e-9


def answer(run: Run, numbers: dict[str, object]) -> list[str]:
    """Return what a run says, a paragraph a question: how the state decays, what forms, what is not known.

    Args:
        run: The run.
        numbers: Of `analyse`.
    """
    if "branching" in numbers:
        return [_scattering(numbers)]
    if not run.changes_states:
        return [_equilibrium(numbers), *filter(None, [_unknown(run, numbers, intervals=False)])]
    parts = (
        " ".join(filter(None, (_decay(numbers), _left(run, numbers)))),
        " ".join(filter(None, (_formed(run, numbers), _isomerised(numbers)))),
        _unknown(run, numbers),
    )
    return [part for part in parts if part]


def _decay(numbers: dict[str, object]) -> str:
    for state, life in numbers["lifetimes_fs"].items():
        if life["value"] is None:
            return f"No lifetime of state {state} is given: {str(life['reason']).rstrip('.')}."
        low, high = life["low"], life["high"]
        reach = f"at least {low:.3g} fs" if high is None else f"{low:.3g} to {high:.3g} fs"
        late = life["delay"]
        after = f" after a delay of {late:.3g} fs" if late and late >= 0.1 else ""
        return (
            f"State {state} decays{after} with a lifetime of {life['value']:.3g} fs (95 % interval: {reach})."
        )
    return ""


def _left(run: Run, numbers: dict[str, object]) -> str:
    """Return the last populations, of those states that hold something."""
    if among_spin_adiabatic_states(run) and "multiplicity_populations" in numbers:
        return _spins(run, numbers)
    when = f"After {run.time_fs[-1]:.4g} fs"
    mean, low, high = (numbers[name][-1] for name in ("populations", "populations_low", "populations_high"))
    if any(value is None for value in mean):
        return f"{when} populations are not known, because most trajectories were stopped."
    held = sorted(range(len(mean)), key=lambda k: -mean[k])[:3]
    held = [k for k in held if mean[k] >= _LEAST_POPULATION or k == held[0]]
    ranges = _ranges([(low[k], high[k]) for k in held])
    total, of = numbers["n_trajectories"], numbers["populations_counted"][-1]
    if not str(numbers["population_estimator"]).startswith("fraction of trajectories"):
        names = ["the population of state", *["that of state"] * (len(held) - 1)]
        values = [
            f"{name} {k} is {_percent(mean[k])} {x}" for name, k, x in zip(names, held, ranges, strict=True)
        ]
        return f"{when} {_listed(values)}."
    if of == 1:
        one = (
            "the only trajectory"
            if total == 1
            else f"the only one of {total} trajectories that was not stopped"
        )
        return f"{when} {one} is on state {held[0]}."
    whose = f"{counted(of, 'trajectory')}{_by_weight(run)}{'' if of == total else ' that were not stopped'}"
    if mean[held[0]] > _ALL:
        return f"{when} all {whose} are on state {held[0]} {ranges[0]}."
    whose = [f" of the {whose} are", *[""] * (len(held) - 1)]
    values = [f"{_percent(mean[k])}{w} on state {k} {x}" for w, k, x in zip(whose, held, ranges, strict=True)]
    return f"{when}, {_listed(values)}."


def _spins(run: Run, numbers: dict[str, object]) -> str:
    """Return the last populations by multiplicity, and of the diabatic states that hold most.

    Spin-adiabatic states are no answer: they are many, and each is something else from step to step.
    """
    when, sums = f"After {run.time_fs[-1]:.4g} fs", numbers["multiplicity_populations"]
    errors = numbers["multiplicity_populations_error"]
    if any(values[-1] is None for values in sums.values()):
        return f"{when} populations are not known, because most trajectories were stopped."
    ends = [(values[-1], 1.96 * errors[kind][-1]) for kind, values in sums.items()]
    ranges = _ranges([(max(0.0, mean - half), min(1.0, mean + half)) for mean, half in ends])
    parts = [
        f"{_percent(min(1.0, max(0.0, mean)))} of the population are {multiplicity_name(int(kind))} {range_}"
        for kind, (mean, _), range_ in zip(sums, ends, ranges, strict=True)
    ]
    parts[1:] = [part.replace(" of the population are", " are") for part in parts[1:]]
    names, last = diabatic_names(run), numbers["diabatic_populations"][-1]
    if len(names) <= len(sums):
        return f"{when}, {_listed(parts)}."
    held = sorted(range(len(last)), key=lambda k: -last[k])[:3]
    held = [k for k in held if last[k] >= _LEAST_POPULATION]
    holds = [f"{_percent(min(1.0, last[k]))} on {names[k]}" for k in held]
    return f"{when}, {_listed(parts)}; of the diabatic states most is on these: {_listed(holds)}."


def _formed(run: Run, numbers: dict[str, object]) -> str:
    """Return how many fell apart, into what, and how many did not."""
    found = numbers.get("yields") or [asdict(one) for one in yields(run, also_whole=True)]
    if not found:
        return ""
    intact = formula(run.atomic_numbers, run.masses)
    total, everyone = numbers["n_trajectories"], counted(numbers["n_trajectories"], "trajectory")
    apart = [one for one in found if one["fragments"] != intact]
    whole = next((one for one in found if one["fragments"] == intact), None)
    if total == 1:
        if apart:
            return f"The only trajectory dissociates into {typeset(apart[0]['fragments'])}."
        return f"In the only trajectory {typeset(intact)} stays whole."
    unknown = total - sum(one["n"] for one in found)
    rest = f"; what became of the other {_number(unknown)} is not known" if unknown else ""
    if not apart:
        most = f"at most {100 * (1 - whole['low']):.1f} %"
        of = f"the {whole['n']} of {everyone} whose fate is known" if unknown else f"the {everyone}"
        return f"None of {of} dissociates: {typeset(intact)} stays whole (95 % interval: {most} dissociate)."
    named, rarer = apart[:_MOST_PRODUCTS], apart[_MOST_PRODUCTS:]
    told = [*named, *([whole] if whole else [])]
    ranges = _ranges([(one["low"], one["high"]) for one in told])
    if len(found) == 1 and not unknown:
        return (
            f"All {everyone}{_by_weight(run)} dissociate into {typeset(apart[0]['fragments'])} {ranges[0]}."
        )
    values = [
        f"{_percent(one['fraction'])}{w} into {typeset(one['fragments'])} {x}"
        for one, w, x in zip(
            named, [f" of the {everyone}{_by_weight(run)} dissociate", "", ""], ranges, strict=False
        )
    ]
    if rarer:
        ways = "one rarer way" if len(rarer) == 1 else f"{_number(len(rarer))} rarer ways"
        values.append(f"{_percent(sum(one['fraction'] for one in rarer))} in {ways}")
    words = _listed(values)
    if whole:
        words += f"; in {_percent(whole['fraction'])} {typeset(intact)} stays whole {ranges[-1]}"
    return f"{words}{rest}."


def _isomerised(numbers: dict[str, object]) -> str:
    change = numbers.get("isomerisation")
    if change is None:
        return ""
    about, known, total = "about the central double bond", change["n_known"], change["n_trajectories"]
    low, high = change["isomerised_low"], change["isomerised_high"]
    if change["isomerised"] is None:
        return (
            f"How many isomerise {about} is not known: only {known} of {counted(total, 'trajectory')} came "
            f"to the end, so it may be anything from {_percent(low)} to {_percent(high)}."
        )
    if total == 1:
        return (
            f"The only trajectory {'isomerises' if change['isomerised'] else 'does not isomerise'} {about}."
        )
    among = f"{counted(known, 'trajectory')}{'' if known == total else ' that came to the end'}"
    share = _percent(change["isomerised"])
    interval = _ranges([(low, high)])[0]
    if known < total:
        interval = f"{interval[:-1]}, whatever became of the other {_number(total - known)})"
    if change["isomerised"] == 0:
        return f"None of the {among} isomerises {about} {interval}."
    return f"{share} of the {among} isomerise {about} {interval}."


def _unknown(run: Run, numbers: dict[str, object], *, intervals: bool = True) -> str:
    total = numbers["n_trajectories"]
    stopped, running = sum(numbers["n_stopped"].values()), numbers["n_running"]
    words = ""
    if stopped:
        part = f"{stopped} of {counted(total, 'trajectory')} ({100 * stopped / total:.1f} %)"
        words = f"{part} {'was' if stopped == 1 else 'were'} stopped early"
        if stopped == total > 1:
            last_fs = int(run.last_step.max()) * float(run.attributes["dt_au"]) * FEMTOSECOND_PER_AU
            words += f", the last of them after {last_fs:.3g} fs"
        fate = f"; the intervals hold every fate that {'it' if stopped == 1 else 'they'} could have had."
        words += fate if intervals else "."
    if running:
        words += f" {counted(running, 'trajectory')} {'is' if running == 1 else 'are'} still running."
    return words.strip()


def _scattering(numbers: dict[str, object]) -> str:
    names = {"T": "transmitted", "R": "reflected"}
    found = [
        (f"{100 * value:.1f} ± {196 * numbers['branching_error'][name]:.1f} %", names[name[0]], name[1:])
        for name, value in numbers["branching"].items()
        if value is not None
    ]
    if not found:
        return "Where the trajectories went is not known: most were stopped or have not left."
    total = numbers["n_trajectories"]
    (share, way, state), *others = found
    first = f"{share} of the {counted(total, 'trajectory')} are {way} on state {state}"
    parts = [first, *(f"{share} are {way} on state {state}" for share, way, state in others)]
    return f"{_listed(parts)} (± are 95 % intervals)."


def _equilibrium(numbers: dict[str, object]) -> str:
    kelvin, slope = numbers["temperature_kelvin"], numbers["energy_slope_ev_per_ps"]
    words = f"The kinetic temperature is {kelvin['mean']:.0f} K on average"
    words += (
        f", with a spread of {kelvin['standard_deviation']:.0f} K." if kelvin["standard_deviation"] else "."
    )
    if slope["median"] is not None:
        words += f" The conserved energy drifts by {slope['median']:.1e} eV/ps in the median trajectory."
    return words


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _ranges(ends: list[tuple[float, float]]) -> list[str]:
    """Return intervals in brackets; only the first one says what it is."""
    texts = [f"{100 * low:.1f} to {100 * high:.1f} %" for low, high in ends]
    return [f"({'' if place else '95 % interval: '}{text})" for place, text in enumerate(texts)]


def _by_weight(run: Run) -> str:
    """Return what is said of a share among trajectories that do not count the same."""
    return "" if np.allclose(run.weight, run.weight[0], rtol=1e-9) else ", by weight,"


def _number(n: int) -> str:
    return "one" if n == 1 else str(n)


def _listed(parts: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
