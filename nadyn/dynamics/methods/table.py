"""The methods of a run file by name: one line a method, which lives in a file of its own."""

from jaxtyping import Float
from torch import Tensor

from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.checks.nearest import nearest
from nadyn.dynamics.baths.friction import friction_of, with_friction
from nadyn.dynamics.methods.adaptive import counting, divided_step, division_of
from nadyn.dynamics.methods.csdm import CSDM
from nadyn.dynamics.methods.dish import DISH
from nadyn.dynamics.methods.ehrenfest import EHRENFEST
from nadyn.dynamics.methods.fssh import FSSH
from nadyn.dynamics.methods.gfsh import GFSH
from nadyn.dynamics.methods.landau_zener import LANDAU_ZENER
from nadyn.dynamics.methods.mapping_spin_lsc import SPIN_LSC
from nadyn.dynamics.methods.mapping_sqc import SQC
from nadyn.dynamics.methods.mash import MASH
from nadyn.dynamics.methods.method import Method, Motion
from nadyn.dynamics.methods.multistate_mash import MULTISTATE_MASH
from nadyn.dynamics.methods.npt import NPT
from nadyn.dynamics.methods.nve import NVE
from nadyn.dynamics.methods.nvt import NVT
from nadyn.dynamics.methods.zhu_nakamura import ZHU_NAKAMURA
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.random_numbers import Draws
from nadyn.dynamics.state.step import Step
from nadyn.models.model import Model
from nadyn.models.spin_states import HasSpinOrbitVectors, couples_spins

METHODS: dict[str, Method] = {
    "fssh": FSSH,
    "gfsh": GFSH,
    "landau_zener": LANDAU_ZENER,
    "zhu_nakamura": ZHU_NAKAMURA,
    "mash": MASH,
    "multistate_mash": MULTISTATE_MASH,
    "ehrenfest": EHRENFEST,
    "csdm": CSDM,
    "dish": DISH,
    "spin_lsc": SPIN_LSC,
    "sqc": SQC,
    "nve": NVE,
    "nvt": NVT,
    "npt": NPT,
}


def find_method(config: RunConfiguration) -> Method:
    """Return the method that a run file names.

    Raises:
        InputError: There is none of that name, or a key is given that the method does not understand.
    """
    method = METHODS.get(config.method)
    if method is None:
        word = config.method.lower().replace("-", "_").replace(" ", "_")
        known = [name for name, other in METHODS.items() if word in other.other_names]
        near = known[0] if known else nearest(word, METHODS, cutoff=0.5)
        advice = f"Did you mean {near}? " if near else ""
        raise InputError(
            f"`method` must be a known one, but is {config.method!r}. {advice}Known: {', '.join(METHODS)}."
        )
    for key in sorted(_keys_of_some() - method.keys):
        if key in config.model_fields_set and getattr(config, key) is not None:
            if key in method.only:
                _check_only_value(config, key, method.only[key])
                continue
            others = [name for name, other in METHODS.items() if key in other.keys]
            raise InputError(
                f"`{key}` must be left out for method {config.method}, but is given. Remove it, or choose a "
                f"method that understands it: {', '.join(others)}."
            )
    parse_configuration(config.options or {}, method.options, where=f"`options` of method {config.method}")
    return method


def motion_of(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Motion:
    """Return the method of a run file made ready, with the divided steps and the friction that it asks for.

    Raises:
        InputError: The method cannot do what is asked, or would leave out spin-orbit coupling unasked, or
            friction is for atoms that the model has not.
    """
    method = find_method(config)
    _check_representation(config, model, method)
    stepping, division = method.build(config, model, masses), division_of(config)

    def step(state: State, model: Model) -> Step:
        return divided_step(state, model, stepping, division, dt=config.dt, draws=Draws(config.seed))

    begin = stepping.begin if config.adaptive is None else counting(stepping.begin)
    if config.friction is not None:
        friction = friction_of(config.friction, dt=config.dt, seed=config.seed, masses=masses)
        step = with_friction(step, friction)
    return Motion(step, begin, stepping.diabatic)


def check_states(config: RunConfiguration, model: Model) -> None:
    """Refuse a method that needs several states for a model of one."""
    if METHODS[config.method].needs_two_states and model.n_states < 2:
        raise InputError(
            f"`method` {config.method} must have a model of two states or more, but {model.name} has one. "
            "Use nve."
        )


def stored_configuration(config: RunConfiguration) -> dict[str, object]:
    """Return a run file as the trajectory file keeps it: without keys that its method does not understand."""
    unused = _keys_of_some() - METHODS[config.method].keys
    stored = config.model_dump(mode="json")
    return {key: value for key, value in stored.items() if key not in unused}


def notices_about_spins(config: RunConfiguration, model: Model) -> list[str]:
    """Return a sentence where a method of one adiabatic state is given a model with spin-orbit coupling."""
    if METHODS[config.method].needs_two_states or not couples_spins(model):
        return []
    return [
        f"the spin-orbit coupling of model {model.name} is ignored: method {config.method} moves on one "
        "spin-free state."
    ]


def _check_representation(config: RunConfiguration, model: Model, method: Method) -> None:
    """Refuse to leave spin-orbit coupling out where nobody has asked for that."""
    if method.mixes_spins or not method.needs_two_states:
        return
    if isinstance(model, HasSpinOrbitVectors):
        mixing = " or ".join(name for name, other in METHODS.items() if other.mixes_spins)
        raise InputError(
            f"`method` must be {mixing} for model {model.name}, which has states of several spins, but is "
            f"{config.method}. Use one of them, or the model of one spin."
        )
    wanted = config.representation or ("spin_adiabatic" if couples_spins(model) else "spin_free")
    if wanted == "spin_free":
        return
    mixing = " or ".join(name for name, other in METHODS.items() if other.mixes_spins)
    if config.representation is None:
        raise InputError(
            f"`representation` must be spin_free for method {config.method}, which ignores the spin-orbit "
            f"coupling of model {model.name}, but is missing. Add it, or use method {mixing}."
        )
    raise InputError(
        f"`representation` must be spin_free for method {config.method}, which knows no others, but is "
        f"{config.representation}. Use method {mixing}."
    )


def _check_only_value(config: RunConfiguration, key: str, only: str) -> None:
    value = getattr(config, key)
    if value != only:
        raise InputError(
            f"`{key}` must be {only} for method {config.method}, which does nothing else, but is {value}. "
            "Change or remove it."
        )


def _keys_of_some() -> frozenset[str]:
    """Keys that not every method understands."""
    return frozenset().union(*(method.keys for method in METHODS.values()))
