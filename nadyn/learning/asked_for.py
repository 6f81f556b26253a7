"""What a loop was asked for, in its folder; one that is gone on with keeps what the new call leaves out."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from nadyn.checks.configuration import parse_configuration, read_content
from nadyn.checks.errors import InputError
from nadyn.checks.output import write_new
from nadyn.interfaces.sources import source_section
from nadyn.learning.folder import Folder
from nadyn.learning.learn_file import DYNAMICS, LearnConfiguration

# What a budget was, who works on it, or whether a warning was heeded has no say in what was found so far.
_FREE = ("budget", "processes", "scheduler", "label_minutes", "force")
_SHARES = ("at_random", "in_doubt", "at_crossings", "at_gaps")
# Of these the names of the files count, so that a folder can be moved with what lies beside it.
_FILES = ("molecule", "data", "source")


def together(folder: Folder, config: LearnConfiguration, *, resume: bool) -> LearnConfiguration:
    """Return what is asked for, by this call and by those before it.

    A folder that is gone on with holds what was asked for when it was begun, defaults of that time included.
    Only what the new call says itself is compared with it, so that a newer version goes on with what an older
    one began. Where nothing has come of an earlier call yet, this one may say something else.

    Args:
        folder: The folder of the loop.
        config: What this call says; its paths are absolute.
        resume: Whether it goes on, or begins where there is nothing yet.

    Raises:
        InputError: The folder holds a loop and `resume` is False, or this call says something else.
    """
    stored = stored_in(folder.path) if resume or folder.is_begun else {}
    if not stored:
        return config.model_copy(update={"dynamics": {**DYNAMICS, **config.dynamics}})
    if not resume:
        raise InputError(
            f"folder {str(folder.path)!r} must be new, but holds a learning loop. Try another name, or "
            "--resume to go on."
        )
    said = config.model_dump(mode="json", exclude_unset=True)
    fixed = [
        name
        for key, value in said.items()
        if key not in _FREE and not _same_source(key, value, stored.get(key))
        for name in _differences(key, _names(key, value), _names(key, stored.get(key)))
    ]
    if fixed and folder.is_begun:
        raise InputError(
            f"folder {str(folder.path)!r} must be gone on with as it was begun, but {', '.join(fixed)} "
            f"{'has' if len(fixed) == 1 else 'have'} changed. Name a new folder, or leave that out."
        )
    if folder.is_begun:
        said = {key: value for key, value in said.items() if key in (*_FREE, *_FILES) or key not in stored}
    elif "source" in said:
        # Of one source or of another, and not of both.
        stored.pop("source", None)
    return parse_configuration(_merged(stored, said), LearnConfiguration, where=str(folder.learn_file))


def write_down(folder: Folder, config: LearnConfiguration) -> None:
    """Put what is asked for into the folder, when it is known that it can be done."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_new(folder.learn_file, text)


def stored_in(folder: Path) -> dict[str, object]:
    """Return what a loop in a folder was asked for; empty where there is none.

    Raises:
        InputError: The file is no learn file.
    """
    path = Folder(folder).learn_file
    if not path.exists():
        return {}
    content = read_content(path)
    if not isinstance(content, dict) or "molecule" not in content or "source" not in content:
        raise InputError(
            f"{str(path)!r} must be the learn file of a loop, with `molecule` and `source`, but is not. Name "
            "the folder of a loop."
        )
    shares = content.get("round")
    if isinstance(shares, dict) and shares:
        # A kind of labels that an older version did not know was not asked for.
        content["round"] = {**dict.fromkeys(_SHARES, 0.0), **shares}
    return content


def _same_source(key: str, said: object, stored: object) -> bool:
    """Return whether two sections of a source say the same, defaults included."""
    if key != "source" or not isinstance(said, Mapping) or not isinstance(stored, Mapping):
        return False
    if set(said) != set(stored):
        return False
    one, other = (source_section(section).model_dump(mode="json") for section in (said, stored))
    return _names(key, one) == _names(key, other)


def _names(key: str, value: object) -> object:
    """Return names of files without their folders, and everything else as it is."""
    if key not in _FILES:
        return value
    if isinstance(value, Mapping):
        return {name: _names(key, one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_names(key, one) for one in value]
    is_path = isinstance(value, str) and Path(value.split(":")[0]).is_absolute()
    return Path(value).name if is_path else value


def _differences(name: str, said: object, stored: object) -> list[str]:
    """Return the names of what is said in another way than it is stored."""
    if isinstance(said, Mapping) and isinstance(stored, Mapping):
        found = []
        for key, value in said.items():
            if key in stored:
                found += _differences(f"{name}.{key}", value, stored[key])
            elif _open_section(name):
                found.append(f"{name}.{key}")
        return found
    return [] if said == stored else [name]


def _open_section(name: str) -> bool:
    """Return whether a section holds what a person put there and no defaults: a new key is a change."""
    return name.split(".")[0] in ("source", "dynamics", "training", "final")


def _merged(stored: Mapping[str, object], said: Mapping[str, object]) -> dict[str, object]:
    merged = dict(stored)
    for key, value in said.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(old, value) if both else value
    return merged
