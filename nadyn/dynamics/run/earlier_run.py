"""A run that is the start of another one: what both must agree on, and what they must not share."""

import json
from collections.abc import Mapping

from nadyn.checks.errors import InputError
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.models.model import Model
from nadyn.models.spin_states import HasSpinStates
from nadyn.trajectory import Run, open_run


def check_earlier_run(config: RunConfiguration, model: Model) -> None:
    """Refuse the end of a run as a start where it would be taken for something else.

    Random numbers are a function of seed, trajectory and step. With the seed of the earlier run they would
    come again, to those whom they have left where they are: who did not hop with them, would not hop now.

    Raises:
        InputError: The seed is that of the earlier run and both draw random numbers; or its states are
            not those that a start is in.
    """
    path = config.initial.run
    if path is None:
        return
    before = open_run(path, verified=False)
    now = config.model_dump()
    if int(before.attributes["seed"]) == config.seed and _draws(before.config) and _draws(now):
        raise InputError(
            f"`seed` must not be that of run {path!r}, whose random numbers would come again, but is "
            f"{config.seed}. Try seed: {config.seed + 1}."
        )
    if config.initial.state is not None or config.initial.diabatic_state is not None:
        return
    if _is_spin_adiabatic(before, model):
        raise InputError(
            f"`state` must be given with run {path!r}, whose states are spin-adiabatic, while a start is in "
            "one of the states without spin-orbit coupling, but is missing. Try state: 1."
        )


def _draws(config: Mapping[str, object]) -> bool:
    """Tell whether a run file draws random numbers after its start."""
    return config["method"] != "nve" or config.get("friction") is not None


def _is_spin_adiabatic(before: Run, model: Model) -> bool:
    """Tell whether the states of a run are those of a Hamiltonian with spin-orbit coupling, or in a field."""
    stored = before.attributes.get("multiplicities")
    if stored is not None and before.n_states > len(json.loads(str(stored))):
        return True
    asked = before.config.get("representation")
    if asked is not None or not isinstance(model, HasSpinStates):
        return asked == "spin_adiabatic"
    return model.spin_orbit is not None or before.config.get("laser") is not None
