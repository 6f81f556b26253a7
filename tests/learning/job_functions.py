"""Functions for jobs of tests; each runs in a process of its own."""

import time
from pathlib import Path

from nadyn.checks.errors import InputError


def write(*, path: str, text: str) -> None:
    Path(path).write_text(text)


def refuse(*, sentence: str) -> None:
    raise InputError(sentence)


def count(*, path: str) -> None:
    for number in range(600):
        Path(path).write_text(str(number))
        time.sleep(0.05)
