"""The files of a training: what is in the way of it, where its checkpoint is, and when that is forgotten."""

from pathlib import Path

from nadyn.checks.errors import InputError
from nadyn.checks.output import check_folder
from nadyn.training.checkpoint import existing


def checkpoint_path(output: Path) -> Path:
    """Return where the checkpoint of a training is kept."""
    return output.with_name(output.name + ".checkpoint")


def forget(checkpoint: Path) -> None:
    """Remove the checkpoints of a training and of its parts."""
    # The main one last: without it, parts that are left would begin the training again.
    for path in reversed(existing(checkpoint)):
        path.unlink()


def check_files(output: Path, checkpoint: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse to begin where files are in the way, or to go on where nothing is left to do.

    Raises:
        InputError: One sentence about the file.
    """
    check_folder(output)
    if resume:
        if output.exists() and not existing(checkpoint):
            raise InputError(
                f"{str(output)!r} must be unfinished to be resumed, but is complete. Nothing to do."
            )
        return
    if overwrite:
        forget(checkpoint)
        return
    if existing(checkpoint):
        raise InputError(
            f"{str(checkpoint)!r} must not exist for a new training, but an interrupted one left it. "
            "Try --resume to go on, or --overwrite to start again."
        )
    if output.exists():
        raise InputError(
            f"`output` must be a new file, but {str(output)!r} exists. Try another name or --overwrite."
        )
