"""`nadyn spectrum`: absorption, infrared and Raman spectra of a model."""

from pathlib import Path
from typing import Annotated

import typer

KINDS = ("uv", "ir", "raman", "transient")


def spectrum(
    model: Annotated[
        Path,
        typer.Argument(
            help="Model file, or a YAML file with an analytic model; of transient also a source file."
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            help="uv (nuclear ensemble), ir, raman (harmonic), transient (along a run).",
        ),
    ],
    figure: Annotated[Path | None, typer.Option("--figure", help="Draw it (PNG, PDF or SVG).")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the curve to this file.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write lines or excitations to this file.")
    ] = None,
    state: Annotated[int, typer.Option("--state", help="State that is excited from, or vibrates.")] = 0,
    initial: Annotated[
        Path | None,
        typer.Option("--initial", help="Of uv: geometries of `nadyn sample` instead of a sample."),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=2, help="Of uv: number of geometries.")] = 500,
    temperature_kelvin: Annotated[
        float, typer.Option("--temperature-kelvin", min=0.0, help="Of uv: temperature of the Wigner sample.")
    ] = 0.0,
    run: Annotated[
        list[Path] | None,
        typer.Option(
            "--run",
            help="Of transient: the run. Of ir: dipoles along its trajectories instead of harmonic. "
            "Repeatable: several of one model are one.",
        ),
    ] = None,
    geometry: Annotated[
        Path | None,
        typer.Option("--geometry", help="Minimise from this .xyz instead of the stored geometry."),
    ] = None,
    molecule: Annotated[
        str | None, typer.Option("--molecule", help="Which molecule of a model trained on several.")
    ] = None,
    isotope: Annotated[
        list[str] | None,
        typer.Option(
            "--isotope", help="Isotope of an element or of an atom (from 0): H=2, 4=13; repeatable."
        ),
    ] = None,
    fwhm: Annotated[
        float | None,
        typer.Option(
            "--fwhm",
            help="Width of a line at half height: eV of uv (0.1), transient (0.2), cm-1 of ir, raman (10).",
        ),
    ] = None,
    window_ev: Annotated[
        str | None,
        typer.Option("--window-ev", help="Of uv: window to excite in, such as 5.8,6.2, for --starts."),
    ] = None,
    starts: Annotated[
        Path | None,
        typer.Option("--starts", help="Of uv: write starts on the states that the window excites (.h5)."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of uv: seed of the sample.")] = 1,
    store: Annotated[
        Path,
        typer.Option("--store", help="Of a source: folder in which labels are kept, as of `nadyn label`."),
    ] = Path("labels"),
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="Of a source: how many labels are computed at a time.")
    ] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing --starts.")] = False,
) -> None:
    """Compute a spectrum from a model: absorption of an ensemble or along a run, infrared or Raman."""
    from contextlib import ExitStack

    from rich.console import Console

    from nadyn.checks.errors import InputError
    from nadyn.checks.output import PICTURE, TRAJECTORIES, check_json, check_output, check_suffix
    from nadyn.cli.model_given import isotopes_given, model_given
    from nadyn.cli.spectra import absorption_result, harmonic_result, run_result, write_result
    from nadyn.cli.transient import by_source, is_source_file, transient_result

    if kind not in KINDS:
        raise InputError(f"`--kind` must be one of {', '.join(KINDS)}, but is {kind!r}.")
    if figure is not None:
        check_output(figure, model, overwrite=True)
        check_suffix(figure, "`--figure`", PICTURE)
    if json_file is not None:
        check_json(json_file, model)
    if csv_file is not None:
        check_output(csv_file, model, overwrite=True)
    window = None if window_ev is None else _window(window_ev)
    if (window is None) != (starts is None):
        missing = "--starts" if starts is None else "--window-ev"
        raise InputError(f"`--window-ev` and `--starts` must be given together, but `{missing}` is missing.")
    if starts is not None:
        check_output(starts, model, initial, overwrite=overwrite)
        check_suffix(starts, "`--starts`", TRAJECTORIES)
    own = (
        ("--initial", initial, ("uv",)),
        ("--run", run or None, ("ir", "transient")),
        ("--window-ev", window, ("uv",)),
    )
    for name, value, wanted in own:
        if value is not None and kind not in wanted:
            belongs = " and ".join(wanted)
            raise InputError(f"`{name}` must be left out for `--kind {kind}`: it belongs to {belongs}.")
    if kind == "transient" and not run:
        raise InputError("`--run` must name the run for `--kind transient`, but is missing.")
    if fwhm is not None and not 0 < fwhm < 1e5:
        raise InputError(f"`--fwhm` must be above 0, but is {fwhm:g}.")
    console = Console()
    if kind == "transient" and is_source_file(model):
        result = by_source(model, run, store=store, processes=processes, width_ev=fwhm or 0.2)
        write_result(result, console, figure=figure, csv_file=csv_file, json_file=json_file)
        return
    with ExitStack() as opened:
        source, _ = model_given(model, molecule, isotopes_given(isotope or []), geometry, opened)
        where = None if geometry is None else str(geometry)
        with console.status("Computing the spectrum"):
            if kind == "uv":
                result = absorption_result(
                    source,
                    state=state,
                    initial=initial,
                    n=n,
                    temperature_kelvin=temperature_kelvin,
                    geometry=where,
                    fwhm_ev=fwhm or 0.1,
                    seed=seed,
                    window_ev=window,
                    starts=starts,
                )
            elif kind == "transient":
                result = transient_result(source, run, width_ev=fwhm or 0.2)
            elif run:
                result = run_result(source, run, state=state, fwhm_cm=fwhm or 10.0)
            else:
                result = harmonic_result(source, kind, state=state, geometry=where, fwhm_cm=fwhm or 10.0)
    write_result(result, console, figure=figure, csv_file=csv_file, json_file=json_file)


def _window(text: str) -> tuple[float, float]:
    """Return lowest and highest photon energy of an option."""
    from nadyn.checks.errors import InputError

    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low = high = 0.0
    if not 0.0 <= low < high < float("inf"):
        raise InputError(
            "`--window-ev` must be two energies in eV, the lower one first, such as 5.8,6.2, but is "
            f"{text!r}."
        )
    return low, high
