"""Shapes of arrays that come from outside."""

from collections.abc import Sequence

from nadyn.checks.errors import InputError


def check_shape(name: str, shape: Sequence[int], expected: Sequence[int | str], hint: str = "") -> None:
    """Compare a shape with an expected one, in which a string names an axis of any length.

    Raises:
        InputError: The number of axes or a fixed length differs; `hint` is added to the sentence.
    """
    matches = len(shape) == len(expected) and all(
        isinstance(want, str) or want == have for have, want in zip(shape, expected, strict=True)
    )
    if not matches:
        wanted = ", ".join(str(item) for item in expected)
        sentence = f"`{name}` must have shape ({wanted}), but has shape {tuple(int(n) for n in shape)}."
        raise InputError(f"{sentence} {hint}".strip())
