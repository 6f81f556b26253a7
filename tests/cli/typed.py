"""A command as a user types it."""

import contextlib
import io
import warnings

import pytest

from nadyn.checks.errors import InputWarning
from nadyn.cli.main import main


def typed(*arguments: object) -> tuple[int, str]:
    """Return the exit code of `nadyn <arguments>` and all that it prints, warnings and errors included."""
    printed = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        pytest.raises(SystemExit) as leaving,
    ):
        # Outside of tests a warning is a line on standard error.
        warnings.simplefilter("always", InputWarning)
        main([str(argument) for argument in arguments])
    return leaving.value.code, printed.getvalue()
