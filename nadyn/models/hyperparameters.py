"""What the header of a model file says of a potential, and the potential that it describes.

Files of earlier versions are read too: they know two kinds, a sum over atoms and a diabatic Hamiltonian.
"""

from dataclasses import asdict, replace

from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.models.atomic_network import NetworkSettings
from nadyn.models.encoders.table import encoder_settings_from_dict, encoder_settings_to_dict
from nadyn.models.heads.charges import ChargesSettings
from nadyn.models.heads.table import heads_from_dict, heads_to_dict
from nadyn.models.potential import Potential, PotentialSettings, atomic_sum
from nadyn.models.terms.dispersion import DispersionSettings

KIND = "potential"
LONGRANGE = {"electrostatics": ChargesSettings, "dispersion": DispersionSettings}
_OLDER_ATOMIC_SUM, _OLDER_DIABATIC = "atomic_sum", "diabatic_hamiltonian"


def hyperparameters(potential: Potential) -> dict[str, object]:
    """Return the settings as plain values for JSON."""
    values = asdict(potential.settings)
    network = potential.settings.network
    values.pop("network")
    values.pop("heads")
    # A potential without heads and long range has the header that it had before there were any.
    heads = {"heads": heads_to_dict(potential.settings.heads)} if potential.settings.heads else {}
    for name in (*LONGRANGE, "numbers"):
        if values[name] is None:
            values.pop(name)
    one_for_all = {} if network.networks == "per_element" else {"networks": network.networks}
    return {
        **values,
        **heads,
        **one_for_all,
        "encoder": encoder_settings_to_dict(network.encoder),
        "hidden": list(network.hidden),
        "activation": network.activation,
    }


def untrained_potential(header: dict) -> Potential:
    """Return the potential that a header describes, without its weights.

    Raises:
        InputError: Its kind is not known to this version.
        KeyError: The header lacks something.
    """
    kind, values = header["kind"], dict(header["hyperparameters"])
    if kind not in (KIND, _OLDER_ATOMIC_SUM, _OLDER_DIABATIC):
        raise InputError(
            f"the model kind must be one that this version knows, but is {kind!r}. Update nadyn."
        )
    network = NetworkSettings(
        encoder_settings_from_dict(values["encoder"]),
        tuple(values["hidden"]),
        values["activation"],
        values.get("networks", "per_element"),
    )
    ends = values.get("repulsion_ends")
    ends = None if ends is None else tuple(map(tuple, ends))
    heads = heads_from_dict(values.get("heads", {}))
    longrange = {name: settings(**values[name]) for name, settings in LONGRANGE.items() if name in values}
    if kind == _OLDER_ATOMIC_SUM:
        return Potential(atomic_sum(network, ends, heads))
    settings = PotentialSettings(
        network, values["basis"], values["n_states"], tuple(values["start"]), ends, heads
    )
    if "numbers" in values:
        settings = replace(settings, numbers=tuple(values["numbers"]))
    return Potential(replace(settings, **longrange))


def current_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors of a potential by the names of today: networks were a part of the matrix once."""
    older = "matrix.network."
    return {
        f"network.{name.removeprefix(older)}" if name.startswith(older) else name: tensor
        for name, tensor in tensors.items()
    }
