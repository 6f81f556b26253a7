"""A process that labels what it is sent: `python -m nadyn.interfaces.worker`, begun by a `WorkerPool`."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.electronic.direct.questions import answer_from
from nadyn.interfaces.messages import (
    from_words,
    label_arrays,
    question_from_arrays,
    receive,
    send,
    words,
)
from nadyn.interfaces.sources import source_from

_LOOK_SECONDS = 1.0


def main(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Build the source of the first message, then answer each question with a label, until the end."""
    first = receive(incoming)
    if first is None:
        return
    try:
        folder = Path(from_words(first["folder"]))
        source = source_from(
            from_words(first["configuration"]), first["atomic_numbers"].tolist(), folder=folder
        )
        while (message := receive(incoming)) is not None:
            answer = answer_from(source, question_from_arrays(message))
            if answer.label is None:
                send(outgoing, {"kind": words("none")})
                continue
            overlap = {} if answer.overlap is None else {"overlap": answer.overlap}
            send(outgoing, {"kind": words("label"), **label_arrays(answer.label, "label."), **overlap})
    except InputError as error:
        send(outgoing, {"kind": words("refused"), "sentence": words(str(error))})
    except BrokenPipeError:
        # Who asked has ended.
        return


def end_with(parent: int) -> None:
    """Wait for the end of the process that began this one; then kill this, with all that it has started."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    # Who was killed by -9 has not ended what it began, and a label may take hours. Only a group of one's own.
    if os.getpgrp() == os.getpid():
        threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    # What a program prints must not come between the messages.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Division by zero in a label is the label's matter.
    np.seterr(all="ignore")
    main(sys.stdin.buffer, answers)
