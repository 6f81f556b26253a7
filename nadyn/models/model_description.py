"""What a model file says of itself, for people."""

from pathlib import Path

from nadyn.checks.counts import counted
from nadyn.models.encoders.table import encoder_in_words
from nadyn.models.model_file import COMMITTEE, SPIN_COUPLED, load_model, read_parts
from nadyn.structures import formula


def describe(path: str | Path) -> dict[str, str]:
    """Return what a model file says of itself, for people."""
    header, tensors, timings = read_parts(path)
    whole = header
    if header["kind"] == COMMITTEE:
        header = header["members"][header["member"]]
    elif header["kind"] == SPIN_COUPLED:
        header = header["blocks"][0]
    trained = header["trained_on"] | (whole.get("trained_on") or {})
    parameters = sum(tensor.numel() for name, tensor in tensors.items() if "network" in name)
    result = {
        "name": header["name"],
        "kind": "atomic sum" if header["n_basis"] == 1 else "diabatic hamiltonian",
        "molecule": formula(header["atomic_numbers"]) + (" in a periodic cell" if "pbc" in header else ""),
        "elements": ", ".join(header["elements"]),
        "states": str(header["n_states"]),
        "multiplicities": " ".join(map(str, header["multiplicities"])),
        "charge": charges(trained.get("groups", {})),
        "basis": str(header["hyperparameters"].get("basis", "one energy")),
        **encoder_in_words(header["hyperparameters"]["encoder"]),
        "layers": "-".join(str(width) for width in header["hyperparameters"]["hidden"]),
        "parameters": f"{parameters:,}",
        "block width": f"{header['block_width']} trajectories",
    }
    result |= {"properties": ", ".join(heads)} if (heads := header["hyperparameters"].get("heads")) else {}
    result["evaluation"] = load_model(path).evaluation
    if len(header.get("molecules", ())) > 1:
        result["trained molecules"] = ", ".join(
            f"{entry['name']} ({counted(entry['n_frames'], 'frame')})" for entry in header["molecules"]
        )
    result |= {
        key.replace("_", " "): str(value)
        for key, value in trained.items()
        if not isinstance(value, dict | list)
    }
    if whole["kind"] == COMMITTEE:
        result |= _about_committee(whole)
    elif whole["kind"] == SPIN_COUPLED:
        result |= _about_spins(whole)
    return result | {key: str(value) for key, value in timings.items()}


def charges(groups: dict[str, dict]) -> str:
    """Return the charge of all groups of a training, or that of each, and which of them was assumed."""
    silent = " (assumed: its data do not say it)"
    words = {
        name: f"{group['charge']}{silent * ('charge' in group.get('assumed', ()))}"
        for name, group in groups.items()
        if "charge" in group
    }
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return ", ".join(f"{text} of {name}" for name, text in words.items()) or "not known"


def _about_committee(header: dict) -> dict[str, str]:
    """Return what a file says of its members together."""
    n = len(header["members"])
    result = {"committee": f"{n} members; as one model it is member {header['member']}"}
    calibration = header["calibration"]
    if calibration is None:
        return result | {"calibration": "none: the spread of the members is raw"}
    result["calibrated on"] = f"{counted(calibration['n_frames'], 'frame')} that no member saw"
    for name, scale in calibration["scales"].items():
        within = scale["coverage"][0] if scale["coverage"] else (float("nan"),) * 2
        result[f"spread of {name}"] = (
            f"times {scale['factor']:.2f}; {100 * within[0]:.0f} % of the errors within one, "
            f"{100 * within[1]:.0f} % within two"
        )
    return result


def _about_spins(header: dict) -> dict[str, str]:
    """Return what a file of several spins says of all of them."""
    blocks = header["blocks"]
    return {
        "name": header["name"],
        "kind": "diabatic hamiltonians of several spins with spin-orbit coupling",
        "states": " + ".join(str(block["n_states"]) for block in blocks),
        "multiplicities": " ".join(str(spin) for block in blocks for spin in block["multiplicities"]),
        "basis": " | ".join(str(block["hyperparameters"].get("basis", "one energy")) for block in blocks),
    }
