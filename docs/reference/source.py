"""Functions of files in the repository, shown where a page explains them."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def source(place: str) -> str:
    """Return a function as a block of code.

    Args:
        place: Path from the root of the repository and name: `examples/file.py::name`.
    """
    path, _, name = place.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    (node,) = (item for item in ast.parse(text).body if getattr(item, "name", "") == name)
    return f"```python\n{ast.get_source_segment(text, node)}\n```"
