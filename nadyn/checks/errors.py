"""The errors a user sees."""


class InputError(ValueError):
    """Input that cannot be used. The message is one sentence: what, where, what to do.

    The command line prints it without a traceback and leaves with exit code 2.
    """


class RunError(RuntimeError):
    """Work that could not be finished although the input was fine; exit code 1."""


class InputWarning(UserWarning):
    """Input that can be used but looks wrong. The message is one sentence."""
