"""What another run does otherwise: run files compared by what their keys do, given or left out."""

from collections.abc import Mapping

import yaml

# Of a run file, what makes no other dynamics, or is told in another way.
_NO_DIFFERENCE = {
    "model",
    "output",
    "seed",
    "checkpoint_every",
    "write_every",
    "time_fs",
    "molecule",
    "labels",
}
_NO_DIFFERENCE_OF_START = {"n", "first", "file"}

# What a run file does where it does not say. The tests compare with the sections themselves, which this room
# does not import, because they need torch.
DEFAULTS: dict[str, object] = {
    "dt_fs": 0.5,
    "propagation": "local_diabatisation",
    "decoherence": {"name": "edc"},
    "rescale": "nac",
    "frustrated": "keep",
    "max_energy_step_ev": 0.3,
    "member": None,
    "isotopes": None,
    "laser": None,
    "adaptive": None,
    "friction": None,
    "options": None,
    "stop": None,
    "representation": None,
}
DEFAULTS_OF_DECOHERENCE: dict[str, dict[str, object]] = {
    "edc": {"damps": "populations", "energy_parameter_hartree": 0.1},
    "sdm": {"energy_parameter_hartree": 0.1},
    "instantaneous": {"after": "hop"},
    "shxf": {"threshold": 0.01},
}
DEFAULTS_OF_OPTIONS: dict[str, dict[str, object]] = {
    "fssh": {"probability": "flow"},
    "multistate_mash": {"sampling": "cap"},
    "csdm": {"constant": 1.0, "energy_hartree": 0.1},
    "dish": {"dephasing_fs": None, "energy_parameter_hartree": 0.1},
    "spin_lsc": {"sampling": "sphere"},
    "sqc": {"zero_point": "adjusted"},
}
DEFAULTS_OF_START: dict[str, object] = {"temperature_kelvin": 0.0, "minimise_state": 0}
# What no method does where it is not given.
_NOT_DONE = {"isotopes", "adaptive", "friction", "laser", "options", "stop"}
# What is done where it is not given, if it can be.
_DEFAULTS_OF_STOP = {"dissociated": True, "committee": True}


def unlike_dynamics(
    here: Mapping[str, object], there: Mapping[str, object], *, spin_adiabatic: bool
) -> dict[str, tuple[str, str]]:
    """Return the keys in which two runs differ, with the value of each as a run file has it.

    A key that one of two runs of one method leaves out has its default there.

    Args:
        here: Run file of a run, as its trajectory file keeps it.
        there: That of the other run.
        spin_adiabatic: Whether this run is among spin-adiabatic states, which a run file need not say.
    """
    same = here.get("method") == there.get("method")
    # Options of two methods are compared as they are given.
    method = str(here.get("method")) if same else ""
    found = {}
    for key in _keys(here, there, filled=same):
        one, two = _value(here, key), _value(there, key)
        if key == "representation":
            # Without a word it follows from the model, which the other run may share.
            usual = "spin_adiabatic" if spin_adiabatic or two == "spin_adiabatic" else "spin_free"
            differ = (one or usual) != (two or usual)
        else:
            differ = _differ(_effective(key, one, method), _effective(key, two, method))
        if differ:
            found[key] = (_as_written(one), _as_written(two))
    return found


def _keys(here: Mapping[str, object], there: Mapping[str, object], *, filled: bool) -> list[str]:
    """Return the keys that both have, those of `initial` by name; `filled`, as if defaults were given."""
    one, two = (
        [key for key in config if key not in _NO_DIFFERENCE | {"initial"}]
        + [f"initial.{key}" for key in _start(config) if key not in _NO_DIFFERENCE_OF_START]
        for config in (here, there)
    )
    known = {*DEFAULTS, *(f"initial.{key}" for key in DEFAULTS_OF_START)} if filled else _NOT_DONE
    return [key for key in dict.fromkeys([*one, *two]) if key in (known | {*one}) & (known | {*two})]


def _start(config: Mapping[str, object]) -> Mapping[str, object]:
    start = config.get("initial")
    return start if isinstance(start, Mapping) else {}


def _value(config: Mapping[str, object], key: str) -> object:
    section, _, name = key.rpartition(".")
    if section:
        return _start(config).get(name, DEFAULTS_OF_START.get(name))
    return config.get(key, DEFAULTS.get(key))


def _effective(key: str, value: object, method: str) -> object:
    """Return a value with what it leaves out."""
    given = value if isinstance(value, Mapping) else {}
    if key == "decoherence" and value != "none":
        name = given.get("name", value)
        return {"name": name, **DEFAULTS_OF_DECOHERENCE.get(str(name), {}), **given}
    if key == "options":
        return {**DEFAULTS_OF_OPTIONS.get(method, {}), **given}
    if key == "stop":
        return {**_DEFAULTS_OF_STOP, **{name: one for name, one in given.items() if one is not None}}
    if key == "member":
        return value or 0
    return value


def _differ(one: object, two: object) -> bool:
    """Tell whether two values differ; in sections a key that is missing is null."""
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        return any(_differ(one.get(key), two.get(key)) for key in one.keys() | two.keys())
    return one != two


def _as_written(value: object) -> str:
    """Return a value as a run file has it, on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
    return " ".join(text.removesuffix("...\n").split())
