"""The process of a job: reads what to do from its input, does it, and ends with it."""

import importlib
import json
import os
import sys
import threading

from nadyn.checks.errors import InputError, RunError
from nadyn.electronic.interrupt import termination_interrupts
from nadyn.learning.jobs import FAILED, INTERRUPTED, REFUSED


def main() -> int:
    """Do the job and return the exit code."""
    asked = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    module, name = asked["function"].split(":")
    function = getattr(importlib.import_module(module), name)
    try:
        with termination_interrupts():
            function(**asked["arguments"])
    except InputError as error:
        print(error, file=sys.stderr)
        return REFUSED
    except RunError as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _end_with_input() -> None:
    sys.stdin.read()
    # Who asked is gone: a trajectory file must have one writer, the next one.
    os._exit(FAILED)


if __name__ == "__main__":
    sys.exit(main())
