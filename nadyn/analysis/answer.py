"""The answer of a run in a few sentences, with numbers and intervals, or that there is none and why."""

from nadyn.analysis.typesetting import typeset
from nadyn.checks.counts import counted
from nadyn.structures import formula
from nadyn.trajectory import Run

_MOST_PRODUCTS = 3


def answer(run: Run, numbers: dict[str, object]) -> list[str]:
    """Return what a run says, a paragraph a question: how the state decays, what forms, what is not known.

    Args:
        run: The run.
        numbers: Of `analyse`.
    """
    if "branching" in numbers:
        return [_scattering(numbers)]
    if not run.changes_states:
        return [_equilibrium(numbers), *filter(None, [_unknown(numbers, intervals=False)])]
    parts = (
        " ".join(filter(None, (_decay(numbers), _left(run, numbers)))),
        " ".join(filter(None, (_formed(run, numbers), _isomerised(numbers)))),
        _unknown(numbers),
    )
    return [part for part in parts if part]


def _decay(numbers: dict[str, object]) -> str:
    for state, life in numbers["lifetimes_fs"].items():
        if life["value"] is None:
            return f"No lifetime of state {state} is given: {str(life['reason']).rstrip('.')}."
        high = life["high"]
        reach = f"to {high:.3g}" if high is not None else "upwards, without an upper end"
        words = f"State {state} lives {life['value']:.3g} fs (95 %: {life['low']:.3g} {reach})"
        late = life["delay"]
        return f"{words}, after the first {late:.3g} fs." if late and late >= 0.1 else f"{words}."
    return ""


def _left(run: Run, numbers: dict[str, object]) -> str:
    """Return the last populations, of those states that hold something."""
    mean, low, high = (numbers[name][-1] for name in ("populations", "populations_low", "populations_high"))
    if any(value is None for value in mean):
        return f"Populations at {run.time_fs[-1]:.4g} fs are not known: most trajectories were stopped."
    held = sorted(range(len(mean)), key=lambda k: -mean[k])[:3]
    shares = [f"{_range(mean[k], low[k], high[k])} on state {k}" for k in held if mean[k] >= 0.005]
    of = numbers["populations_counted"][-1]
    whose = counted(of, "trajectory") if of == numbers["n_trajectories"] else f"the {of} not stopped"
    return f"After {run.time_fs[-1]:.4g} fs {_listed(shares)} ({whose})."


def _formed(run: Run, numbers: dict[str, object]) -> str:
    found = numbers.get("yields", [])
    if not found:
        return ""
    whole = formula(run.atomic_numbers, run.masses)
    named = [
        f"{'whole ' if one['fragments'] == whole else ''}{typeset(one['fragments'])} "
        f"{_range(one['fraction'], one['low'], one['high'])}"
        for one in found[:_MOST_PRODUCTS]
    ]
    more = len(found) - len(named)
    return f"Of all trajectories end as {_listed(named)}{f', and {more} rarer ends' if more > 0 else ''}."


def _isomerised(numbers: dict[str, object]) -> str:
    change = numbers.get("isomerisation")
    if change is None:
        return ""
    low, high = change["isomerised_low"], change["isomerised_high"]
    if change["isomerised"] is None:
        return (
            f"How many isomerise is not known: between {100 * low:.1f} and {100 * high:.1f} %, for only "
            f"{change['n_known']} of {change['n_trajectories']} came to the end."
        )
    return f"About the central double bond isomerise {_range(change['isomerised'], low, high)}."


def _unknown(numbers: dict[str, object], *, intervals: bool = True) -> str:
    total = numbers["n_trajectories"]
    stopped, running = sum(numbers["n_stopped"].values()), numbers["n_running"]
    words = ""
    if stopped:
        part = f"{stopped} of {counted(total, 'trajectory')} ({100 * stopped / total:.1f} %)"
        words = f"{part} {'was' if stopped == 1 else 'were'} stopped early"
        fate = f"; the intervals hold every fate that {'it' if stopped == 1 else 'they'} could have had."
        words += fate if intervals else "."
    if running:
        words += f" {counted(running, 'trajectory')} {'is' if running == 1 else 'are'} still running."
    return words.strip()


def _scattering(numbers: dict[str, object]) -> str:
    names = {"T": "transmitted", "R": "reflected"}
    found = [
        f"{100 * value:.1f} % (95 %: ±{196 * numbers['branching_error'][name]:.1f}) "
        f"{names[name[0]]} on state {name[1:]}"
        for name, value in numbers["branching"].items()
        if value is not None
    ]
    if not found:
        return "Where the trajectories went is not known: most were stopped or have not left."
    return f"Of {counted(numbers['n_trajectories'], 'trajectory')} are {_listed(found)}."


def _equilibrium(numbers: dict[str, object]) -> str:
    kelvin, slope = numbers["temperature_kelvin"], numbers["energy_slope_ev_per_ps"]
    words = f"The kinetic temperature is {kelvin['mean']:.0f} K on average"
    words += (
        f", with a spread of {kelvin['standard_deviation']:.0f} K." if kelvin["standard_deviation"] else "."
    )
    if slope["median"] is not None:
        words += f" The conserved energy drifts by {slope['median']:.1e} eV/ps in the median trajectory."
    return words


def _range(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f} % (95 %: {100 * low:.1f} to {100 * high:.1f})"


def _listed(parts: list[str]) -> str:
    if len(parts) < 2:
        return "".join(parts) or "nothing"
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
