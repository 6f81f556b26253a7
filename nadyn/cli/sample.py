"""`nadyn sample`: initial conditions from a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nadyn.checks.counts import counted

# A dihedral this close to 0 or 180 degrees is one of an isomer of a double bond.
_PLANAR = 45.0

if TYPE_CHECKING:
    import numpy as np

    from nadyn.models import Model

# Keys of a run file that say where trajectories start; an option takes the place of all of them.
_STATES = ("state", "multiplicity", "diabatic_state")


def sample(
    model: Annotated[
        Path,
        typer.Argument(
            help="Model file, YAML file with an analytic model, run file; vibrations: Molden file or output "
            "of a QM program; or an MD run: its .h5, or frames with momenta (.traj, .xyz)."
        ),
    ],
    n: Annotated[int, typer.Option("--n", help="Number of trajectories.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write (.h5).")],
    distribution: Annotated[
        str | None, typer.Option("--sample", help="wigner (the default) or thermal (classical).")
    ] = None,
    temperature_kelvin: Annotated[
        float | None, typer.Option("--temperature-kelvin", help="Temperature; 0 by default.")
    ] = None,
    state: Annotated[int | None, typer.Option("--state", help="Adiabatic state to start on.")] = None,
    multiplicity: Annotated[
        int | None, typer.Option("--multiplicity", help="Count --state among those of this 2S + 1.")
    ] = None,
    diabatic_state: Annotated[
        int | None, typer.Option("--diabatic-state", help="Diabatic state to start in, where defined.")
    ] = None,
    geometry: Annotated[
        Path | None,
        typer.Option("--geometry", help="Minimise from this .xyz instead of the stored geometry."),
    ] = None,
    molecule: Annotated[
        str | None,
        typer.Option(
            "--molecule", help="Which molecule of a model trained on several; the one with most frames."
        ),
    ] = None,
    isotope: Annotated[
        list[str] | None,
        typer.Option(
            "--isotope", help="Isotope of an element or of an atom (from 0): H=2, 4=13; repeatable."
        ),
    ] = None,
    minimise_state: Annotated[
        int | None, typer.Option("--minimise-state", help="State whose minimum is sampled around; 0.")
    ] = None,
    excite: Annotated[
        list[str] | None,
        typer.Option("--excite", help="Quanta in a mode, counted from 1 as printed: 6=1; repeatable."),
    ] = None,
    skip: Annotated[
        int, typer.Option("--skip", min=0, help="Of an MD run: frames at its beginning that are left out.")
    ] = 0,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw what was sampled (.png, .pdf, .svg).")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random numbers.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
) -> None:
    """Sample initial conditions about a minimum of a model, and print the frequencies.

    What a run file says under `initial` about the sample and the state holds where no option is given.
    """
    from contextlib import ExitStack
    from dataclasses import replace

    from rich.console import Console
    from rich.table import Table

    from nadyn.checks.configuration import parse_configuration
    from nadyn.checks.errors import InputError
    from nadyn.checks.kinds import Kind, check_not_swapped
    from nadyn.checks.output import PICTURE, TRAJECTORIES, check_output, check_suffix
    from nadyn.cli.model_given import isotopes_given, model_given, quanta_given
    from nadyn.cli.sample_frames import sample_frames
    from nadyn.cli.tables import print_table
    from nadyn.dynamics.initial import InitialSection, sample_oscillators, start_state
    from nadyn.dynamics.initial.oscillators import oscillators
    from nadyn.dynamics.initial.read_modes import holds_modes
    from nadyn.dynamics.initial.wigner import mode_energies
    from nadyn.interfaces.starts_of_frames import holds_frames
    from nadyn.trajectory.initial_conditions import write_initial_conditions
    from nadyn.units import ELECTRONVOLT_PER_HARTREE, INVERSE_CM_PER_HARTREE

    check_not_swapped(
        *(model, geometry),
        kinds=(Kind.MODEL, Kind.GEOMETRY),
        right=f"nadyn sample {geometry} --geometry {model}",
    )
    check_output(output, model, geometry, overwrite=overwrite)
    check_suffix(output, "`--output`", TRAJECTORIES)
    if figure is not None:
        check_output(figure, model, geometry, overwrite=True)
        check_suffix(figure, "`--figure`", PICTURE)
    if model.is_file() and holds_modes(model):
        alone = {"--geometry": geometry, "--molecule": molecule, "--isotope": isotope}
        alone |= {"--diabatic-state": diabatic_state, "--minimise-state": minimise_state}
        alone["--multiplicity"] = multiplicity
        how = {"sample": distribution or "wigner", "n": n, "state": state}
        how |= {"temperature_kelvin": temperature_kelvin, "excited_modes": quanta_given(excite or [])}
        _sample_file_modes(model, output, {k: v for k, v in how.items() if v is not None}, alone, seed)
        _draw(output, figure)
        return
    if holds_frames(model):
        others = {
            "--sample": distribution,
            "--temperature-kelvin": temperature_kelvin,
            "--geometry": geometry,
        }
        others |= {"--multiplicity": multiplicity, "--diabatic-state": diabatic_state, "--isotope": isotope}
        others |= {"--molecule": molecule, "--minimise-state": minimise_state, "--excite": excite}
        sample_frames(model, output, n=n, skip=skip, state=state, others=others)
        _draw(output, figure)
        return
    if skip:
        raise InputError("`--skip` must come with frames of an MD run, but does not. Remove it.")
    options = {
        "sample": distribution,
        "n": n,
        "temperature_kelvin": temperature_kelvin,
        "state": state,
        "multiplicity": multiplicity,
        "diabatic_state": diabatic_state,
        "geometry": None if geometry is None else str(geometry),
        "minimise_state": minimise_state,
        "excited_modes": quanta_given(excite or []),
    }
    given = {key: value for key, value in options.items() if value is not None}
    opened = ExitStack()
    source, initial_of_file = model_given(model, molecule, isotopes_given(isotope or []), geometry, opened)
    if "state" in given or "diabatic_state" in given:
        initial_of_file = {k: v for k, v in initial_of_file.items() if k not in _STATES}
    section = parse_configuration(
        {"sample": "wigner"} | initial_of_file | given, InitialSection, where="nadyn sample"
    )
    # Before the search for a minimum, which may take minutes.
    start_state(source, section)
    distribution, temperature_kelvin = section.sample, section.temperature_kelvin
    console = Console()
    with opened, console.status("Minimising and computing frequencies"):
        found = oscillators(source, section)
    energies = mode_energies(
        found.modes.frequencies,
        distribution=distribution,
        temperature_kelvin=temperature_kelvin,
        quanta=section.quanta(len(found.modes.frequencies)),
    )
    console.print(f"Sampling {found.origin}", highlight=False)
    table = Table(title=f"{len(energies)} oscillators")
    for title in ("mode", r"frequency \[cm-1]", r"mean energy \[eV]"):
        table.add_column(title, justify="right")
    for mode, (frequency, energy) in enumerate(zip(found.modes.frequencies, energies, strict=True)):
        table.add_row(
            str(mode + 1),
            f"{frequency * INVERSE_CM_PER_HARTREE:.1f}",
            f"{energy * ELECTRONVOLT_PER_HARTREE:.4f}",
        )
    print_table(console, table)
    shape = _shape(source, found.modes.centre)
    if shape is not None:
        console.print(shape, highlight=False)
    initial = sample_oscillators(source, found, section, seed=seed)
    outside = _outside(source, initial.positions)
    initial = replace(initial, notices=initial.notices + (() if outside is None else (outside,)))
    for notice in initial.notices:
        console.print(f"Warning: {notice}", highlight=False)
    write_initial_conditions(output, initial)
    _draw(output, figure)
    if initial.diabatic_state is not None:
        start = f"diabatic state {initial.diabatic_state}"
    elif section.multiplicity is not None:
        start = f"state {section.state} of those of multiplicity {section.multiplicity}"
    else:
        start = f"state {initial.state}"
    console.print(f"Wrote {counted(n, 'initial condition')} on {start} to {output}", highlight=False)


def _draw(output: Path, figure: Path | None) -> None:
    """Draw the starts of a file, if that is asked for."""
    if figure is None:
        return
    from nadyn.analysis.plots_initial import initial_figure
    from nadyn.analysis.plots_style import save_picture
    from nadyn.trajectory.initial_conditions import read_initial_conditions

    save_picture(initial_figure(read_initial_conditions(output)), figure)
    print(f"Drew {figure}")


def _sample_file_modes(
    path: Path, output: Path, given: dict[str, object], alone: dict[str, object], seed: int
) -> None:
    """Sample the oscillators of a file of vibrations, which needs no model."""
    from nadyn.checks.configuration import parse_configuration
    from nadyn.checks.errors import InputError
    from nadyn.dynamics.initial import InitialSection
    from nadyn.dynamics.initial.file_modes import sample_file_modes
    from nadyn.dynamics.initial.read_modes import read_modes
    from nadyn.trajectory.initial_conditions import write_initial_conditions
    from nadyn.units import INVERSE_CM_PER_HARTREE

    for option, value in alone.items():
        if value not in (None, []):
            raise InputError(
                f"`{option}` must be left out for a file of vibrations, but is given. Remove it."
            )
    section = parse_configuration(given, InitialSection, where="nadyn sample")
    found = read_modes(path)
    initial = sample_file_modes(found, section, seed=seed, name=path.name)
    write_initial_conditions(output, initial)
    frequencies = ", ".join(f"{f * INVERSE_CM_PER_HARTREE:.1f}" for f in found.modes.frequencies)
    print(f"Frequencies [cm-1]: {frequencies}")
    where = "" if initial.state is None else f" on state {initial.state}"
    print(f"Wrote {counted(len(initial.weight), 'initial condition')}{where} to {output}")


def _outside(model: "Model", positions: "np.ndarray") -> str | None:
    """Return a sentence about starts where a trajectory would be stopped at once, or about unknown atoms.

    Raises:
        InputError: That is all of them.
    """
    import torch

    from nadyn.checks.errors import InputError
    from nadyn.dynamics.run.known_region import region_statuses, unknown_composition
    from nadyn.dynamics.run.stopping import Status
    from nadyn.electronic.direct.model import DirectModel

    if sentence := unknown_composition(model):
        return sentence
    if isinstance(model, DirectModel):
        # Its region is not known before every start is labelled, as a run does.
        return None
    status = region_statuses(model, torch.from_numpy(positions))
    n_close = int((status == Status.CLOSE_ATOMS).sum())
    n_outside = int((status == Status.OUTSIDE_TRAINING).sum())
    if not n_close + n_outside:
        return None
    counts = [f"{n_close} have atoms too close"] * (n_close > 0)
    counts += [f"{n_outside} have descriptors outside of the training range"] * (n_outside > 0)
    sentence = (
        f"initial conditions must lie where the model was trained, but {n_close + n_outside} of "
        f"{len(status)} do not ({', '.join(counts)}): their trajectories would stop at the first step"
    )
    if n_close + n_outside == len(status):
        raise InputError(f"{sentence}. Check the geometry and its unit (.xyz files are in angstrom).")
    return f"{sentence}. Label some of them, `nadyn label` takes the file, and train on those too."


def _shape(model: "Model", centre: "np.ndarray") -> str | None:
    """Say which isomer a minimum is, where a double bond in the middle of the molecule decides it."""
    import numpy as np

    from nadyn.analysis.bonds import central_double_bond
    from nadyn.analysis.geometry import dihedral
    from nadyn.structures import symbol

    if model.atomic_numbers is None:
        return None
    atoms = central_double_bond(np.array(model.atomic_numbers), centre)
    if atoms is None:
        return None
    degrees = abs(float(dihedral(centre[None, list(atoms)])[0]))
    names = "-".join(f"{symbol(model.atomic_numbers[atom])}{atom}" for atom in atoms)
    if not _has_isomers(np.array(model.atomic_numbers), centre, atoms):
        return f"Dihedral {names} of this minimum: {degrees:.1f} degrees"
    if _PLANAR < degrees < 180.0 - _PLANAR:
        return f"Dihedral {names} of this minimum: {degrees:.1f} degrees, neither cis nor trans"
    isomer = "cis" if degrees < 90 else "trans"
    return f"This minimum is the {isomer} isomer: dihedral {names} {degrees:.1f} degrees"


def _has_isomers(numbers: "np.ndarray", centre: "np.ndarray", atoms: "tuple[int, ...]") -> bool:
    """Return whether cis and trans differ: no end of the bond may carry two atoms of one element alone."""
    from nadyn.analysis.bonds import bonds

    linked = bonds(numbers, centre)
    for end, other in ((atoms[1], atoms[2]), (atoms[2], atoms[1])):
        carried = [int(numbers[atom]) for atom in linked[end].nonzero()[0] if atom != other]
        if len(carried) > 1 and len(set(carried)) == 1:
            return False
    return True
