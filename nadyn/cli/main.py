"""The program `nadyn`: finds the command, runs it, and turns errors into one line and an exit code."""

import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, TextIO

import typer

import nadyn
from nadyn.checks.errors import InputError, RunError
from nadyn.checks.nearest import nearest
from nadyn.electronic.interrupt import termination_interrupts

# command -> module that holds a function of the same name, or of the last word of it
COMMANDS = {
    "demo": "nadyn.cli.demo",
    "init train": "nadyn.cli.init",
    "init run": "nadyn.cli.init",
    "init learn": "nadyn.cli.init",
    "learn": "nadyn.cli.learn",
    "train": "nadyn.cli.train",
    "couple": "nadyn.cli.couple",
    "evaluate": "nadyn.cli.evaluate",
    "pareto": "nadyn.cli.pareto",
    "sample": "nadyn.cli.sample",
    "check": "nadyn.cli.check",
    "run": "nadyn.cli.run",
    "swarm": "nadyn.cli.swarm",
    "spectrum": "nadyn.cli.spectrum",
    "label": "nadyn.cli.label",
    "intersect": "nadyn.cli.intersect",
    "analyse": "nadyn.cli.analyse",
    "report": "nadyn.cli.report",
    "compare": "nadyn.cli.compare",
    "diagnose": "nadyn.cli.diagnose",
    "cite": "nadyn.cli.cite",
    "convert": "nadyn.cli.convert",
    "data join": "nadyn.cli.data",
    "data split": "nadyn.cli.data",
    "data thin": "nadyn.cli.data",
    "data shift": "nadyn.cli.data",
    "info": "nadyn.cli.info",
    "schema": "nadyn.cli.schema",
}

_NO_MEMORY = (
    "the memory of this machine, or what this process may take of it, must suffice, but does not. Take fewer "
    "trajectories or frames at once, or a machine with more."
)

EXIT_RUN_ERROR = 1
EXIT_INPUT_ERROR = 2
EXIT_INTERRUPTED = 130

# Newer typer carries its own copy of click and older typer imports it; the classes of the one in use are
# reached through the public name that both have.
UsageError = typer.BadParameter.__mro__[1]
ProgramError = typer.BadParameter.__mro__[2]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave the process.

    Exit code 0: done. 1: the work could not be finished. 2: the input or the command line cannot be used.
    130: interrupted, from the keyboard or by SIGTERM.
    """
    # Before torch is imported: more threads only wait for each other, see nadyn.electronic.threads.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Accepted anywhere on the line, because it is added after a failure, at the end.
    debug = "--debug" in given
    sys.exit(_run([argument for argument in given if argument != "--debug"], debug=debug))


def build_app(commands: Sequence[str] = tuple(COMMANDS)) -> typer.Typer:
    """Return the typer application with the named commands, whose modules are imported here."""
    app = typer.Typer(
        name="nadyn", add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True
    )
    app.callback()(_program)
    groups: dict[str, typer.Typer] = {}
    for name in commands:
        family, _, member = name.rpartition(" ")
        if family and family not in groups:
            groups[family] = typer.Typer(no_args_is_help=True)
            module = importlib.import_module(COMMANDS[name])
            app.add_typer(groups[family], name=family, help=module.__doc__)
        groups.get(family, app).command(member)(function_of(name))
    return app


def function_of(command: str) -> Callable[..., None]:
    """Return the function that carries out a command."""
    return getattr(importlib.import_module(COMMANDS[command]), command.rpartition(" ")[2])


def _program(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Non-adiabatic excited-state molecular dynamics with learned diabatic Hamiltonians."""
    # Both options are handled before the commands are imported; they stand here for the help.


def _run(arguments: list[str], *, debug: bool) -> int:
    if arguments[:1] == ["--version"]:
        print(f"nadyn {nadyn.__version__}")
        return 0
    try:
        with warnings.catch_warnings(), termination_interrupts():
            warnings.showwarning = _show_warning
            return _invoke(arguments)
    except (UsageError, InputError) as error:
        return _failure(error, EXIT_INPUT_ERROR, debug=debug)
    except MemoryError as error:
        return _failure(RunError(_NO_MEMORY).with_traceback(error.__traceback__), EXIT_RUN_ERROR, debug=debug)
    except (ProgramError, RunError, OSError) as error:
        return _failure(error, EXIT_RUN_ERROR, debug=debug)
    except (KeyboardInterrupt, typer.Abort) as error:
        return _failure(error, EXIT_INTERRUPTED, debug=debug)


def _invoke(arguments: list[str]) -> int:
    first = next(iter(arguments), "--help")
    if first.startswith("-"):
        commands = tuple(COMMANDS)
    else:
        commands = tuple(name for name in COMMANDS if name.split()[0] == first)
    if not commands:
        raise InputError(_unknown_command(first))
    program = typer.main.get_command(build_app(commands))
    result = program.main(args=arguments or ["--help"], prog_name="nadyn", standalone_mode=False)
    if result == EXIT_INTERRUPTED:
        # Typer has turned the interrupt into an exit code.
        raise KeyboardInterrupt
    return result if isinstance(result, int) else 0


def _unknown_command(name: str) -> str:
    near = nearest(name, list(dict.fromkeys(known.split()[0] for known in COMMANDS)), cutoff=0.5)
    advice = f"Did you mean `{near}`?" if near else f"Known commands: {', '.join(COMMANDS)}."
    return f"`{name}` is not a known command. {advice}"


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one sentence; where in the program it came from is of no use to a user."""
    print("nadyn: warning: " + " ".join(str(message).split()), file=sys.stderr)


def _failure(error: BaseException, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    said = " ".join(_sentence(error).split())
    # Empty where a family of commands was named without one: its help has been printed.
    if said:
        print(f"nadyn: {said}", file=sys.stderr)
    return code


def _who_takes(option: str | None) -> str:
    """Return which commands take an option that the one typed does not, as a sentence; empty if none does."""
    if option is None:
        return ""
    program = typer.main.get_command(build_app(tuple(COMMANDS)))
    takers = []
    for name in COMMANDS:
        command = program
        for word in name.split():
            command = command.commands[word]
        if any(option in parameter.opts for parameter in command.params):
            takers.append(f"`nadyn {name}`")
    return f"It is an option of {' and '.join(takers)}." if takers else ""


def _sentence(error: BaseException) -> str:
    if isinstance(error, ProgramError):
        takers = _who_takes(getattr(error, "option_name", None))
        return f"{error.format_message().rstrip('.')}. {takers}" if takers else error.format_message()
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{str(error.filename)!r}: {error.strerror[:1].lower()}{error.strerror[1:]}."
    return str(error) or "interrupted."
