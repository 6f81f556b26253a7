"""`nadyn` under an audit hook that forbids what no file may make it do; also a program.

    python tests/attack/guard.py OUTPUT_FOLDER MEGABYTES nadyn-arguments…

Forbidden are: code that is compiled or run from anywhere but the installed packages, pickled objects, other
processes, sockets, libraries from elsewhere, and writes outside of the output folder. Whoever does one of
these leaves at once with exit code 99 and a line that says what. The memory of the process is limited too.
"""

import os
import platform
import resource
import sys
import sysconfig
import tempfile
from pathlib import Path

FORBIDDEN_CODE = 99
ROOT = Path(__file__).parents[2]
# Packages are where the interpreter has them, or in the tree.
_PACKAGES = tuple(
    {os.path.realpath(path) + os.sep for path in (*sysconfig.get_paths().values(), sys.base_prefix)}
    | {f"{ROOT}{os.sep}"}
)
# Those of the library that write code of their own from names of the program.
_WRITES_CODE = ("dataclasses.py", "collections/__init__.py", "typing.py", "enum.py", "functools.py")
_PROCESSES = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.")
_CHANGES = tuple(f"os.{word}" for word in "remove rename rmdir mkdir link symlink truncate chmod".split())
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard:
    """An audit hook for one folder; it forbids nothing until it is armed.

    Attributes:
        armed: Whether it forbids.
        found: What was forbidden, in words.
    """

    def __init__(self, folder: Path) -> None:
        """Take `folder` as the only one that may be written to."""
        self.armed = False
        self.found: list[str] = []
        self.allow(folder)

    def allow(self, folder: Path) -> None:
        """Take another folder, and forget what was found."""
        self._folders = (os.path.realpath(folder) + os.sep, "/dev/")
        self.found.clear()

    def __call__(self, event: str, arguments: tuple) -> None:
        """Look at an event, and raise PermissionError at a forbidden one."""
        if not self.armed:
            return
        said = self._objection(event, arguments)
        if said:
            self.found.append(said)
            raise PermissionError(f"FORBIDDEN {said}")

    def _objection(self, event: str, arguments: tuple) -> str:
        if event == "open":
            path, mode, flags = arguments
            writes = bool((flags or 0) & _WRITES) or (isinstance(mode, str) and set(mode) & set("wax+"))
            return f"{event} {path!r}" if writes and not self._inside(path) else ""
        if event == "exec":
            return "" if self._known(arguments[0].co_filename) else f"{event} {arguments[0].co_filename}"
        if event == "compile":
            # A tree of `ast` is not run; `literal_eval` reads plain values of it.
            return (
                ""
                if self._known(arguments[1], (*_WRITES_CODE, "ast.py"))
                else f"{event} {arguments[0]!r:.80}"
            )
        if event.startswith(_CHANGES):
            # Arguments that name no path are descriptors of folders and bits.
            paths = [one for one in arguments if isinstance(one, str | bytes | os.PathLike)]
            return "" if all(map(self._inside, paths)) else f"{event} {paths}"
        if event == "ctypes.dlopen" and arguments[0] is not None:
            name = os.fsdecode(arguments[0])
            return "" if not os.path.isabs(name) or self._known(name) else f"{event} {name}"
        if event == "socket.__new__" or event.startswith(("socket.connect", "socket.bind", "socket.get")):
            return event
        if event == "pickle.find_class" or event.startswith(_PROCESSES):
            return f"{event} {arguments!r:.80}"
        return ""

    def _inside(self, path: object) -> bool:
        # A number is a file that is open already.
        if isinstance(path, int):
            return True
        return (os.path.realpath(os.fsdecode(path)) + os.sep).startswith(self._folders)

    @staticmethod
    def _known(filename: object, allowed: tuple[str, ...] = _WRITES_CODE) -> bool:
        name = os.fsdecode(filename) if isinstance(filename, str | bytes | os.PathLike) else "<none>"
        if name.startswith("<frozen"):
            return True
        if not name.startswith("<"):
            return os.path.realpath(name).startswith(_PACKAGES)
        # What packages generate while they are imported, or the library from names of the program.
        frame = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename in (__file__, name):
            frame = frame.f_back
        if frame is not None and frame.f_code.co_filename.endswith(allowed):
            return True
        while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
            frame = frame.f_back
        return frame is not None


def limited_memory(megabytes: int) -> tuple[int, int]:
    """Allow this process so much more address space than it has, and return the limits from before."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + (megabytes << 20), before[1]))
    return before


def main(arguments: list[str]) -> None:
    """Run nadyn with what follows the folder and the memory."""
    folder, megabytes = Path(arguments[0]), int(arguments[1])
    tempfile.tempdir = str(folder)
    os.chdir(folder)
    sys.path.insert(0, str(ROOT))
    from nadyn.cli.main import COMMANDS, build_app
    from nadyn.cli.main import main as nadyn

    build_app(tuple(COMMANDS))
    # Asks a program of the system, once.
    platform.processor()
    guard = Guard(folder)
    sys.addaudithook(guard)
    limited_memory(megabytes)
    guard.armed = True
    try:
        nadyn(arguments[2:])
    finally:
        guard.armed = False
        if guard.found:
            sys.stdout.flush()
            print(f"FORBIDDEN {guard.found[0]}", file=sys.stderr, flush=True)
            os._exit(FORBIDDEN_CODE)


if __name__ == "__main__":
    main(sys.argv[1:])
