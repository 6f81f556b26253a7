"""What goes wrong while LAMMPS runs: the run stops, and the command that began it raises.

LAMMPS calls back through C, where an exception of Python is printed and forgotten, and atoms would go on
without forces.
"""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lammps import lammps

_COMMANDS = ("command", "commands_list", "commands_string", "file")


class Failure:
    """Around a callback; it keeps what is raised in it, and hands it on behind LAMMPS.

    Among several processors the others wait for what the failed one would send, so all of them are ended.
    """

    def __init__(self, lmp: "lammps") -> None:
        self._lmp = lmp
        self._raised: BaseException | None = None

    def watch(self, before_a_run: Callable[[], None] | None) -> None:
        """Let the commands of LAMMPS raise from now on, and those that move atoms ask before."""
        for name in _COMMANDS:
            setattr(self._lmp, name, self._raising(getattr(self._lmp, name), before_a_run))

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if raised is None:
            return False
        if self._lmp.extract_setting("world_size") > 1:
            print(f"nadyn: {raised}", file=sys.stderr, flush=True)
            self._lmp.get_mpi_comm().Abort(1)
        self._raised = raised
        self._lmp.force_timeout()
        return True

    def _raising(
        self, call: Callable[..., object], before_a_run: Callable[[], None] | None
    ) -> Callable[..., object]:
        def checked(text: str | list[str]) -> object:
            self._raised = None
            if before_a_run is not None and _moves(str(text)):
                before_a_run()
            result = call(text)
            if self._raised is not None:
                # Else the next run would end as soon as it began.
                self._lmp.lib.lammps_command(self._lmp.lmp, b"timer timeout off")
                raise self._raised
            return result

        return checked


def _moves(text: str) -> bool:
    return text.split()[:1] in (["run"], ["minimize"], ["rerun"])
