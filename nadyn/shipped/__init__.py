"""Example data and models that come with the package, each with its licence."""

from importlib.resources import files
from pathlib import Path

from nadyn.checks.errors import InputError


def path(name: str) -> Path:
    """Return the path of a shipped file, for example "hexafluorobutene/hexafluorobutene.safetensors".

    Raises:
        InputError: There is no such file; the sentence lists the ones there are.
    """
    root = Path(str(files("nadyn.shipped")))
    target = root / name
    if not target.is_file():
        known = sorted(
            str(item.relative_to(root)) for item in root.rglob("*") if item.suffix in (".h5", ".safetensors")
        )
        raise InputError(f"`name` must be a shipped file, but is {name!r}. There are: {', '.join(known)}.")
    return target
