"""Write a commented file that fits the data, the model or the molecule at hand."""

import os
from pathlib import Path
from typing import Annotated

import typer

from nadyn.cli.convert import Charge, Multiplicities, OneMultiplicity, given_multiplicities

Output = Annotated[Path, typer.Option("--output", "-o", help="File to write (YAML).")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")]


def train(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA.h5 [MORE.h5 …]", help="Datasets; groups of one name are joined."),
    ],
    output: Output = Path("train.yaml"),
    charge: Charge = None,
    multiplicities: Multiplicities = None,
    multiplicity: OneMultiplicity = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a training file for data: weights of the labels they have, how they are split, a time.

    Data that `nadyn train` would refuse are refused here too, with the same sentence.
    """
    from nadyn.data import load_dataset
    from nadyn.data.label_checks.table import warn_of_doubts
    from nadyn.data.one_spin import with_one_multiplicity
    from nadyn.training.first_file import first_training_file

    _check(output, *data, overwrite=overwrite)
    dataset = load_dataset(
        data[0], *data[1:], charge=charge, multiplicities=given_multiplicities(multiplicities)
    )
    warn_of_doubts(dataset)
    words = ["nadyn train", *map(str, data), f"--config {output}"]
    if multiplicity is not None:
        dataset = with_one_multiplicity(dataset, multiplicity)
        words.append(f"--multiplicity {multiplicity}")
    # What was said of the data has to be said again.
    words += [] if charge is None else [f"--charge {charge}"]
    words += [] if multiplicities is None else [f'--multiplicities "{multiplicities}"']
    command = " ".join([*words, "--output model.safetensors"])
    _write(output, first_training_file(dataset, command))
    print(f"next: {command}")


def run(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Model file, or a YAML file with an analytic model.")
    ],
    output: Output = Path("run.yaml"),
    n: Annotated[int, typer.Option("--n", min=1, help="Number of trajectories.")] = 200,
    geometry: Annotated[
        Path | None,
        typer.Option("--geometry", help="Minimise from this .xyz, not the stored geometry."),
    ] = None,
    molecule: Annotated[
        str | None, typer.Option("--molecule", help="Which molecule of a model trained on several.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a run file for a model: a state to start on, a time step by its fastest vibration, a method.

    Of a model of one state the stored atoms and their cell are written beside it, to start from.
    """
    from nadyn.checks.configuration import read_content
    from nadyn.checks.errors import InputError
    from nadyn.checks.output import check_output
    from nadyn.data.structure_file import write_structure
    from nadyn.dynamics.initial.oscillators import geometry_of_model
    from nadyn.dynamics.run.first_file import first_run_file, start_structure_of
    from nadyn.dynamics.run.model_source import find_model
    from nadyn.dynamics.run_file import model_beside
    from nadyn.interfaces.direct_run import names_source

    _check(output, model, geometry, overwrite=overwrite)
    named: str | dict[str, object] = os.path.relpath(model, output.parent)
    opened: str | dict[str, object] = str(model)
    if model.suffix.lower() in (".yaml", ".yml"):
        content = read_content(model)
        given = content.get("model", content) if isinstance(content, dict) else {}
        if names_source(given):
            raise InputError(
                "MODEL must be a model, but is a label source: for direct dynamics copy the run file on the "
                "page `Direct dynamics`, or learn a model with `nadyn init learn`."
            )
        opened = model_beside(given, model.parent)
        named = given if isinstance(given, dict) else os.path.relpath(opened, output.parent)
        if isinstance(given, dict) and "file" in given:
            named = {**given, "file": os.path.relpath(model.parent / given["file"], output.parent)}
    found = find_model(opened, None, molecule=molecule).model
    if geometry is not None:
        geometry_of_model(found, geometry)
    start, beside = start_structure_of(found), None
    if geometry is not None and found.n_states == 1:
        beside = geometry
    elif start is not None and found.n_states == 1:
        beside = output.with_name(f"{output.stem}_start.xyz")
        check_output(beside, overwrite=overwrite)
        write_structure(beside, start)
        print(f"wrote {beside}")
    at = None if geometry is None else os.path.relpath(geometry, output.parent)
    structure = None if beside is None else os.path.relpath(beside, output.parent)
    text = first_run_file(found, named, n=n, geometry=at, structure=structure, molecule=molecule)
    _write(output, text)
    print(f"next: nadyn check {output}; nadyn run {output}")


def learn(
    molecule: Annotated[Path, typer.Argument(metavar="MOLECULE.xyz", help="The molecule, in ångström.")],
    output: Output = Path("learn.yaml"),
    method: Annotated[
        str, typer.Option("--method", help="Level of theory of PySCF.")
    ] = "sa3-casscf(2,2)/6-31g*",
    charge: Annotated[int, typer.Option("--charge", help="Total charge.")] = 0,
    state: Annotated[
        int | None, typer.Option("--state", help="State to start on; 1, the first excited one.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a learn file for a molecule: level, state, budget, processors."""
    from nadyn.learning.first_file import first_learn_file
    from nadyn.structures import read_xyz

    _check(output, molecule, overwrite=overwrite)
    named = os.path.relpath(molecule, output.parent)
    _write(output, first_learn_file(read_xyz(molecule), named, method=method, charge=charge, state=state))
    print(f"next: nadyn check {output}; nadyn learn {output}")


def _check(output: Path, *inputs: Path | None, overwrite: bool) -> None:
    from nadyn.checks.output import SETTINGS, check_output, check_suffix

    check_suffix(output, "`--output`", SETTINGS)
    check_output(output, *inputs, overwrite=overwrite)


def _write(output: Path, text: str) -> None:
    from nadyn.checks.output import write_new

    write_new(output, text)
    print(f"wrote {output}")
