"""`nadyn spectrum --kind transient`: what a pulse finds along a run, beside what it found before."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from nadyn.analysis.light import Light
    from nadyn.cli.spectra import Result
    from nadyn.models.model import Model
    from nadyn.trajectory import Run

_SHOWN = 5


def transient_result(model: "Model", paths: Sequence[Path], *, width_ev: float) -> "Result":
    """Return the transient absorption of a run.

    Args:
        model: The model of the run, which knows dipoles.
        paths: The run, or several of one model, which are one.
        width_ev: Full width at half height of each transition [eV].

    Raises:
        InputError: The model is of other atoms or states, or knows no dipoles; or the run has one state, or
            stays on the lowest one.
    """
    from nadyn.checks.errors import InputError
    from nadyn.cli.light_of_run import seen_by

    run = _excited_run(paths)
    numbers = () if run.atomic_numbers is None else tuple(map(int, run.atomic_numbers))
    if numbers != tuple(map(int, getattr(model, "atomic_numbers", None) or ())):
        raise InputError(f"run {str(run.path)!r} must be of the atoms of model {model.name}, but is not.")
    return _result(run, seen_by(model, run), paths, by=model.name, width_ev=width_ev)


def is_source_file(path: Path) -> bool:
    """Tell whether a file is YAML that names a label source."""
    import yaml

    from nadyn.checks.yaml_text import read_yaml
    from nadyn.interfaces.sources import SOURCES

    if path.suffix.lower() not in (".yaml", ".yml") or not path.is_file():
        return False
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(content, dict) and len(content) == 1 and set(content) <= set(SOURCES)


def by_source(path: Path, paths: Sequence[Path], *, store: Path, processes: int, width_ev: float) -> "Result":
    """Return the transient absorption of a run of direct dynamics, by labels at some of its geometries.

    Args:
        path: The source file.
        paths: The run, or several on one source, which are one.
        store: Folder of the label store.
        processes: How many labels are computed at a time.
        width_ev: Full width at half height of each transition [eV].

    Raises:
        InputError: As `nadyn.cli.light_of_labels.seen_by_source`; or the run stays on the lowest state.
        KeyboardInterrupt: Labels that are there are kept.
    """
    from rich.console import Console

    from nadyn.checks.output import check_folder_name
    from nadyn.cli.labelling_progress import LabellingProgress
    from nadyn.cli.light_of_labels import n_labels, seen_by_source
    from nadyn.interfaces.sources import read_source

    check_folder_name(store, "`--store`")
    configuration, run = read_source(path), _excited_run(paths)
    with LabellingProgress(Console(stderr=True), n_labels(run)) as bar:
        light, words = seen_by_source(configuration, run, store, processes=processes, report=bar.show)
    return _result(run, light, paths, by=str(path), width_ev=width_ev, sentences=(words,))


def _excited_run(paths: Sequence[Path]) -> "Run":
    from nadyn.analysis.joined import open_runs_as_one
    from nadyn.analysis.sections_of_light import is_excited
    from nadyn.checks.errors import InputError

    run = open_runs_as_one(paths)
    if not is_excited(run):
        raise InputError(
            f"run {str(run.path)!r} must be above the lowest state at some time for this spectrum, but is "
            "not. Take an excited run."
        )
    return run


def _result(
    run: "Run",
    light: "Light",
    paths: Sequence[Path],
    *,
    by: str,
    width_ev: float,
    sentences: tuple[str, ...] = (),
) -> "Result":
    import numpy as np

    from nadyn.analysis.light import transient_absorption
    from nadyn.analysis.plots_light import transient_figure
    from nadyn.analysis.sections_of_light import transient_table
    from nadyn.cli.spectra import Result

    found = transient_absorption(run, light, width_ev=width_ev)
    table = Table(title=f"transient absorption of {run.path.name}", title_justify="left")
    for head in ("time \\[fs]", "lowest \\[Å²]", "at \\[eV]", "highest \\[Å²]", "at \\[eV]"):
        table.add_column(head, justify="right")
    total = found.total
    some = np.flatnonzero(np.isfinite(total).all(axis=1))
    places = np.linspace(0, len(some) - 1, min(len(some), _SHOWN)).round().astype(int)
    for place in np.unique(places):
        row = total[some[place]]
        low, high = int(row.argmin()), int(row.argmax())
        cells = (row[low], found.energies_ev[low], row[high], found.energies_ev[high])
        table.add_row(f"{found.time_fs[some[place]]:.4g}", *(f"{value:.3g}" for value in cells))
    plain = {
        "kind": "transient",
        "model": by,
        "run": ", ".join(map(str, paths)),
        "fwhm_ev": width_ev,
        "time_fs": found.time_fs.tolist(),
        "photon_energies_ev": found.energies_ev.tolist(),
        "difference_angstrom2": _plain(total),
        "error_95_angstrom2": _plain(found.error),
        "parts_angstrom2": {name: _plain(part) for name, part in found.parts.items()},
    }
    columns = {name: np.array(values, dtype=float) for name, values in transient_table(found).items()}
    return Result(table, sentences, columns, plain, lambda: transient_figure(found))


def _plain(values: object) -> list[list[float | None]]:
    """Return numbers for JSON, which knows no NaN."""
    import numpy as np

    return [[float(one) if np.isfinite(one) else None for one in row] for row in np.asarray(values)]
