"""Parametrised tests of which the default run takes some cases, and `pytest -m slow` the others."""

from collections.abc import Callable, Iterable

import pytest


def slow_where(is_slow: Callable[..., bool], cases: Iterable) -> list:
    """Return cases for `parametrize`, those with the mark slow for which `is_slow(*case)` holds."""
    marked = []
    for case in cases:
        values = case if isinstance(case, tuple) else (case,)
        marked.append(pytest.param(*values, marks=pytest.mark.slow if is_slow(*values) else ()))
    return marked
