"""A process that labels what it is sent: `python -m nadyn.interfaces.worker`, begun by a `WorkerPool`."""

import os
import sys
from typing import BinaryIO

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.interfaces.messages import (
    from_words,
    known_from_arrays,
    label_arrays,
    receive,
    send,
    words,
)
from nadyn.interfaces.sources import source_from


def main(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Build the source of the first message, then answer each geometry with its label, until the end."""
    first = receive(incoming)
    if first is None:
        return
    try:
        source = source_from(from_words(first["configuration"]), first["atomic_numbers"].tolist())
        while (message := receive(incoming)) is not None:
            label = source.label(message["positions"], known_from_arrays(message))
            answer = {"kind": words("none")} if label is None else {"kind": words("label")}
            send(outgoing, answer if label is None else answer | label_arrays(label, "label."))
    except InputError as error:
        send(outgoing, {"kind": words("refused"), "sentence": words(str(error))})
    except BrokenPipeError:
        # Who asked has ended.
        return


if __name__ == "__main__":
    # What a program prints must not come between the messages.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Division by zero in a label is the label's matter.
    np.seterr(all="ignore")
    main(sys.stdin.buffer, answers)
