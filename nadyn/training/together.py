"""How processes that train one network find each other: started here, or by torchrun."""

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from multiprocessing.process import BaseProcess

import torch.distributed as dist

from nadyn.checks.errors import InputError, RunError
from nadyn.training.ranks import Ranks

# How long a process waits for another that is alive and says nothing; one that died is known at once.
_PATIENCE = timedelta(hours=2)
_HERE = "127.0.0.1"
_LOOK_SECONDS = 0.02
_INTERFACE = "GLOO_SOCKET_IFNAME"


def of_torchrun() -> tuple[int, int]:
    """Return the number of this process and how many there are, as torchrun says; 0 and 1 without it."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


@contextmanager
def together(size: int, follow: Callable[..., object], arguments: Mapping[str, object]) -> Iterator[Ranks]:
    """Give the processes of a training; those that are started here end with the block.

    Under torchrun they are those that it has started, and each runs this block. Otherwise this process is the
    first, and each of the others calls `follow(ranks=…, **arguments)`, which must do what the block does.

    Args:
        size: How many processes, where torchrun does not say it.
        follow: A function of a module.
        arguments: What it is given; they are copied.

    Raises:
        InputError: torchrun and `size` say different things.
        RunError: A process could not be started.
    """
    rank, of_all = of_torchrun()
    if of_all > 1:
        if size not in (1, of_all):
            raise InputError(
                f"`--processes` must be left out under torchrun, which has started {of_all}, but is {size}."
            )
        dist.init_process_group("gloo", timeout=_PATIENCE)
        try:
            yield Ranks(rank, of_all)
        finally:
            dist.destroy_process_group()
        return
    if size == 1:
        yield Ranks()
        return
    store = dist.TCPStore(_HERE, 0, size, is_master=True, wait_for_workers=False, timeout=_PATIENCE)
    context = multiprocessing.get_context("spawn")
    started = [
        context.Process(target=_follow, args=(number, size, store.port, follow, dict(arguments)), daemon=True)
        for number in range(1, size)
    ]
    try:
        for process in started:
            process.start()
        _wait_for(started, store)
        with _group(store, 0, size) as ranks:
            yield ranks
    finally:
        for process in started:
            # They ignore what asks politely.
            process.kill()
            process.join()


def _wait_for(started: list[BaseProcess], store: dist.TCPStore) -> None:
    """Return when all processes have come to the store."""
    for number, process in enumerate(started, start=1):
        while not store.check([_ready(number)]):
            if not process.is_alive():
                raise RunError(
                    f"process {number} of {len(started)} that were to train beside this one must start, but "
                    f"ended with code {process.exitcode}. Train with `--processes 1`; in a program of your "
                    'own, call nadyn below `if __name__ == "__main__":`.'
                )
            time.sleep(_LOOK_SECONDS)


def _follow(
    number: int, size: int, port: int, follow: Callable[..., object], arguments: dict[str, object]
) -> None:
    """Do in a process of its own what the first does, in silence."""
    # They reach the first too, which tells all when it stops.
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.SIG_IGN)
    sys.stdout = open(os.devnull, "w")
    store = dist.TCPStore(_HERE, port, size, is_master=False, timeout=_PATIENCE)
    store.set(_ready(number), "")
    with suppress(InputError, RunError, KeyboardInterrupt), _group(store, number, size) as ranks:
        follow(ranks=ranks, **arguments)


@contextmanager
def _group(store: dist.TCPStore, number: int, size: int) -> Iterator[Ranks]:
    before = os.environ.get(_INTERFACE)
    # Without it the network is asked for the name of this machine, which it may not know.
    loopback = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    if before is None and loopback:
        os.environ[_INTERFACE] = loopback[0]
    try:
        dist.init_process_group("gloo", store=store, rank=number, world_size=size, timeout=_PATIENCE)
    finally:
        if before is None:
            os.environ.pop(_INTERFACE, None)
    try:
        yield Ranks(number, size)
    finally:
        dist.destroy_process_group()


def _ready(number: int) -> str:
    return f"ready {number}"
