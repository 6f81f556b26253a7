"""Print the lower bound of every requirement of nadyn and its tests as an exact version, one a line.

python .ci/minimum_versions.py [NAME …]    without these packages
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path


def requirements(project: dict, extras: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield what a project needs with some of its extras; an extra may name others of the project."""
    listed = [*project["dependencies"]]
    listed += [one for extra in extras for one in project["optional-dependencies"][extra]]
    for requirement in listed:
        if own := re.fullmatch(rf"{project['name']}\[([\w, -]+)\]", requirement):
            others = tuple(name.strip() for name in own[1].split(","))
            yield from requirements({**project, "dependencies": []}, others)
        else:
            yield requirement


def minimum_versions(project: dict) -> dict[str, str]:
    """Return the smallest version of each package, by name.

    Raises:
        ValueError: A requirement has no lower bound, so that nothing is promised of it.
    """
    found = {}
    for requirement in requirements(project, ("test",)):
        match = re.match(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\w.]+)", requirement)
        if match is None:
            raise ValueError(f"requirement {requirement!r} must have a lower bound, but has none")
        found[match[1]] = match[2]
    return found


if __name__ == "__main__":
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    for name, version in minimum_versions(tomllib.loads(text)["project"]).items():
        if name not in sys.argv[1:]:
            print(f"{name}=={version}")
