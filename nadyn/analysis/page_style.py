"""How the report looks: light, dark and printed."""

from importlib.resources import files

from nadyn.analysis.plots_style import COLOURS

_LIGHT = {
    "page": "#f6f7f9",
    "paper": "#fff",
    "ink": "#1d2129",
    "quiet": "#5b6470",
    "line": "#e1e5ea",
    "mark": "#0b66a8",
    "note": "#fff6e0",
    "note-line": "#e6b84a",
    "good": "#0a7350",
    "doubtful": "#8f5600",
    "bad": "#b3261e",
    "picture": "none",
} | {f"state-{k}": colour for k, colour in enumerate(COLOURS)}
_DARK = _LIGHT | {
    "page": "#111418",
    "paper": "#191d23",
    "ink": "#e7eaee",
    "quiet": "#9aa4b0",
    "line": "#2b323b",
    "mark": "#62b1e6",
    "note": "#2b2413",
    "note-line": "#9a7a26",
    "good": "#45c495",
    "doubtful": "#e9a63c",
    "bad": "#ff8a80",
    "picture": "brightness(1.5)",
    "state-0": "#3fa3e0",
    "state-1": "#f08a45",
    "state-2": "#2cc495",
    "state-3": "#e29cc4",
    "state-6": "#a98be0",
    "state-7": "#c08a55",
    "state-9": "#f06292",
}
_PRINTED = _LIGHT | {"page": "#fff", "ink": "#000", "quiet": "#444", "line": "#ccc"}


def style() -> str:
    """Return the style of a page: dark where the reader's system or the button of the page says so."""
    sheet = files("nadyn.analysis").joinpath("page_files", "page.css").read_text(encoding="utf-8")
    light, dark = _variables(_LIGHT), _variables(_DARK)
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}\n{sheet}"
        f"@media print{{:root,:root[data-theme],:root:not([data-theme=light]){{color-scheme:light;"
        f"{_variables(_PRINTED)}}}}}\n"
    )


def _variables(values: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in values.items())
