"""Usage and options of the commands as tables, read from the functions that carry them out."""

import inspect
import typing
from pathlib import Path

import typer

from docs.reference.tables import table, type_name, value
from nadyn.cli.main import COMMANDS, function_of


def commands() -> str:
    """Return a table of all commands."""
    rows = [
        (f"[`nadyn {name}`]({_page(name)}#nadyn-{name.replace(' ', '-')})", _first_line(function_of(name)))
        for name in COMMANDS
    ]
    rows.append(("`nadyn --version`", "The version."))
    return table(("command", "what it does"), rows)


def command(name: str) -> str:
    """Return what a command does, how it is called, and its options; of one of two words with a dash."""
    name = name.replace("-", " ")
    function = function_of(name)
    hints = typing.get_type_hints(function, include_extras=True)
    usage, arguments, options = [f"nadyn {name}"], [], []
    for parameter in inspect.signature(function).parameters.values():
        annotation, info = typing.get_args(hints[parameter.name])[:2]
        kind, needed = _kind(annotation), parameter.default is inspect.Parameter.empty
        if isinstance(info, typer.models.ArgumentInfo):
            metavar = info.metavar or parameter.name.upper()
            usage.append(metavar)
            arguments.append((f"`{metavar}`", kind, "", info.help or ""))
            continue
        # In an annotation the first name stands where a default would.
        given = (*[info.default] * isinstance(info.default, str), *(info.param_decls or ()))
        names = sorted(given, key=len, reverse=True) or [f"--{parameter.name.replace('_', '-')}"]
        shown = ", ".join(f"`{one}`" for one in names)
        if needed:
            usage.append(f"{names[0]} {kind.upper()}")
        is_flag = kind == "true or false"
        default = (
            "required"
            if needed
            else ""
            if is_flag or parameter.default is None
            else f"`{value(parameter.default)}`"
        )
        options.append((shown, "" if is_flag else kind, default, info.help or ""))
    usage += ["[OPTIONS]"] * bool(options)
    text = " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())
    more = [" ".join(part.split()) for part in (inspect.getdoc(function) or "").split("\n\n")[1:]]
    rows = table(("", "value", "default", "meaning"), [*arguments, *options])
    return "\n\n".join([text, *more, f"```text\n{' '.join(usage)}\n```", rows])


def _page(name: str) -> str:
    """Return the page on which a command stands, nothing for that of the table."""
    heading = f"\n## nadyn {name}\n"
    for page in sorted(Path(__file__).parents[1].glob("commands_*.md")):
        if heading in page.read_text(encoding="utf-8"):
            return page.name
    return ""


def _first_line(function: object) -> str:
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())


def _kind(annotation: object) -> str:
    several = "list of " in type_name(annotation)
    kind = type_name(annotation).replace(" or null", "").replace("list of ", "")
    return f"{kind}, more than once" if several else kind
