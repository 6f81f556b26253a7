"""Everything needed to go on with a training, in one file that is replaced whole."""

import glob
import json
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from nadyn.checks.errors import InputError
from nadyn.checks.json_text import parse_json
from nadyn.checks.output import MAKE_ROOM, write_new
from nadyn.training.averaging import WeightAverage


def beside(checkpoint: Path, part: str) -> Path:
    """Return where a part of a training, a trial or a stage, is kept beside the checkpoint of the whole."""
    return checkpoint.with_name(f"{checkpoint.name}-{part}")


def existing(checkpoint: Path) -> list[Path]:
    """Return the checkpoints of a training and of its parts that exist."""
    parts = sorted(checkpoint.parent.glob(f"{glob.escape(checkpoint.name)}-*"))
    return [path for path in (checkpoint, *parts) if path.exists()]


def write_checkpoint(
    path: Path,
    *,
    potential: nn.Module,
    average: WeightAverage,
    best: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    progress: dict[str, object],
) -> None:
    """Write weights, averages, the optimizer's moments and the progress.

    An old file stays until the new one is whole.

    Raises:
        RunError: The disk is full or refuses to be written.
    """
    tensors = {f"network.{name}": tensor for name, tensor in potential.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.values.items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    names = {id(parameter): name for name, parameter in potential.named_parameters()}
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            tensors[f"optimizer.{key}.{names[id(parameter)]}"] = value
    contiguous = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    kept = "The checkpoint before it is kept: make room on the disk and continue with --resume."
    content = safetensors.torch.save(contiguous, metadata={"progress": json.dumps(progress)})
    write_new(path, content, advice=kept if path.exists() else MAKE_ROOM)


def read_progress(path: Path) -> dict[str, object]:
    """Return the progress stored in a checkpoint.

    Raises:
        InputError: The file is no checkpoint of a training.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return parse_json((file.metadata() or {})["progress"])
    except (safetensors.SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(
            f"{str(path)!r} must be a training checkpoint, but cannot be read. Start again without --resume."
        ) from error


def restore(
    path: Path, *, potential: nn.Module, average: WeightAverage, optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """Load a checkpoint into a network, its average and its optimizer; return the best weights so far.

    Raises:
        InputError: The checkpoint belongs to another network, which another version of nadyn has made.
    """
    tensors = safetensors.torch.load_file(path)

    def part(prefix: str) -> dict[str, Tensor]:
        return {
            name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)
        }

    try:
        potential.load_state_dict(part("network."))
    except RuntimeError as error:
        raise InputError(
            f"checkpoint {str(path)!r} must belong to a network of this version of nadyn, but does not. "
            "Use the version that wrote it, or --overwrite to start again."
        ) from error
    average.values = part("average.")
    parameters = dict(potential.named_parameters())
    for name, value in part("optimizer.").items():
        key, _, parameter = name.partition(".")
        optimizer.state[parameters[parameter]][key] = value
    return part("best.")


def best_weights(path: Path) -> dict[str, Tensor]:
    """Return the best weights in the checkpoint of a part of a training that is done."""
    tensors = safetensors.torch.load_file(path)
    return {name.removeprefix("best."): value for name, value in tensors.items() if name.startswith("best.")}
