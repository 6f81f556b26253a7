"""The few numbers of a committee that come first, each with two errors."""

from nadyn.analysis.fates import MOST_UNKNOWN
from nadyn.analysis.key_number import KeyNumber
from nadyn.analysis.plots_members import yield_name
from nadyn.checks.counts import counted

_NOTHING = "—"
_MOST_PRODUCTS = 4
_HALF = 0.5


def member_key_numbers(numbers: dict[str, object]) -> list[KeyNumber]:
    """Return the key numbers from the dictionary of `analyse_members`.

    A number stands there where its interval carries it: not where that is wider than one half.
    """
    when = f"{numbers['time_fs'][-1]:.4g} fs"
    names = ("", "_low", "_high", "_sampling_low", "_sampling_high", "_model")
    last = {name: numbers[f"populations{name}"][-1] for name in names}
    found = []
    for k in range(len(last[""])):
        one = {name: values[k] for name, values in last.items()}
        one = {"fraction" if not name else name[1:]: value for name, value in one.items()}
        found.append(_share(f"State {k} at {when}", one, numbers))
    found += [_lifetime(state, life, numbers) for state, life in numbers["lifetimes_fs"].items()]
    if "isomerisation" in numbers:
        found.append(_share("Isomerised", numbers["isomerisation"], numbers))
    products = numbers.get("products", [])[:_MOST_PRODUCTS]
    found += [_share(yield_name(one), one, numbers) for one in products]
    early = sum(numbers["n_stopped"].values())
    detail = f"of {numbers['n_trajectories']}; {early} stopped early, {numbers['n_running']} running"
    found.append(KeyNumber("Finished", str(numbers["n_finished"]), "", detail))
    return found


def sentence_on_pairs(numbers: dict[str, object]) -> str:
    """Return what the runs share, and how many members there are."""
    members = numbers["members"]
    shared = {
        "independent": "their starts and random numbers are independent",
        "some share starts or random numbers": "some of them share starts or random numbers",
    }.get(numbers["pairing"], f"on the {numbers['pairing']}")
    listed = ", ".join(str(one["member"]) for one in members)
    words = f"{counted(numbers['n_trajectories'], 'trajectory')} on members {listed}, {shared}."
    if len(members) == 2:
        words += (
            " Two members hardly tell how far models differ: the error from the model is 16 times what they "
            "differ by, where chance has no part in it. Four members bring that down to 4."
        )
    elif len(members) == 3:
        words += " Three members tell little of how far models differ."
    return words


def _share(name: str, one: dict[str, object], numbers: dict[str, object]) -> KeyNumber:
    detail = f"95 %: {_percent(one['low'])} to {_percent(one['high'])} %"
    if one["fraction"] is None:
        return KeyNumber(name, _NOTHING, "", f"not known, for too many were stopped; {detail}")
    sampling = 0.5 * (one["sampling_high"] - one["sampling_low"])
    model = "50 or more" if one["model"] >= _HALF else f"{100 * one['model']:.1f}"
    detail += f"; ± {100 * sampling:.1f} from {numbers['n_trajectories']} trajectories"
    detail += f", ± {model} from {len(numbers['members'])} members"
    detail += "; whatever became of the stopped ones" if numbers["n_stopped"] else ""
    if one["high"] - one["low"] > MOST_UNKNOWN:
        return KeyNumber(name, _NOTHING, "", f"not known; {detail}")
    return KeyNumber(name, _percent(one["fraction"]), " %", detail)


def _lifetime(state: str, life: dict[str, object], numbers: dict[str, object]) -> KeyNumber:
    name = f"Lifetime of state {state}"
    if life["value"] is None:
        return KeyNumber(name, _NOTHING, "", str(life["reason"]))
    upper = f"to {life['high']:.3g} fs" if life["high"] is not None else "without an upper end"
    detail = (
        f"95 %: {life['low']:.3g} fs {upper}; {life['sampling_low']:.3g} to {life['sampling_high']:.3g} fs"
    )
    detail += " from trajectories alone"
    # An interval over a factor of e or more carries no number.
    if life["high"] is None or life["high"] > 4 * life["low"]:
        return KeyNumber(name, _NOTHING, "", f"not known; {detail}")
    return KeyNumber(name, f"{life['value']:.3g}", " fs", detail)


def _percent(value: float | None) -> str:
    return _NOTHING if value is None else f"{100 * value:.1f}"
