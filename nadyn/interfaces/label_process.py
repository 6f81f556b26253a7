"""A process that labels one geometry after the other: `python -m nadyn.interfaces.label_process`.

The first message says which source it is; every other one is a question. It ends when its input does. What a
program prints must not come between the answers, so that their channel is set aside first.
"""

import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

# The length of a message comes before it.
LENGTH = struct.Struct("<Q")


def read_message(read: Callable[[int], bytes]) -> bytes | None:
    """Return the next message, None at the end of the input."""
    head = _exactly(read, LENGTH.size)
    return None if head is None else _exactly(read, LENGTH.unpack(head)[0])


def _exactly(read: Callable[[int], bytes], n: int) -> bytes | None:
    parts, left = [], n
    while left:
        part = read(left)
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def framed(text: bytes) -> bytes:
    """Return a message with its length before it."""
    return LENGTH.pack(len(text)) + text


def main() -> None:
    """Answer questions until there are no more."""
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    import torch

    from nadyn.checks.errors import InputError
    from nadyn.electronic.direct.array_bytes import from_bytes
    from nadyn.electronic.direct.questions import answer
    from nadyn.interfaces.label_messages import answer_to_bytes, question_from_bytes, refusal_to_bytes
    from nadyn.interfaces.sources import source_from

    torch.set_num_threads(1)

    def reply(text: bytes) -> None:
        channel.write(framed(text))
        channel.flush()

    read = sys.stdin.buffer.read
    told, _ = from_bytes(read_message(read))
    source = None
    while (text := read_message(read)) is not None:
        question = question_from_bytes(text)
        try:
            if source is None:
                source = source_from(told["source"], told["atomic_numbers"], folder=Path(told["folder"]))
            reply(answer_to_bytes(question, answer(source, question)))
        except InputError as error:
            reply(refusal_to_bytes(str(error)))


if __name__ == "__main__":
    main()
