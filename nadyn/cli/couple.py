"""`nadyn couple`: models of several spins and the spin-orbit coupling between them."""

from pathlib import Path
from typing import Annotated

import typer


def couple(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="SINGLETS.safetensors TRIPLETS.safetensors …",
            help="A model for each multiplicity, lowest first.",
        ),
    ],
    data: Annotated[
        list[Path], typer.Option("--data", help="Dataset with `spin_orbit`; may be given several times.")
    ],
    output: Annotated[Path, typer.Option("--output", help="Model file to write (.safetensors).")],
    steps: Annotated[int, typer.Option("--steps", min=1, max=10**7, help="Steps of the fit.")] = 2000,
    validation_fraction: Annotated[
        float, typer.Option("--validation-fraction", min=0.0, max=0.9, help="Part of the frames to judge by.")
    ] = 0.1,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of the fit and of the held-out frames.")
    ] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUTPUT.")] = False,
) -> None:
    """Learn the spin-orbit coupling between models of several spins, which stay as they are."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    from nadyn.checks.errors import InputError
    from nadyn.checks.output import MODEL, check_output, check_suffix
    from nadyn.data import load_dataset
    from nadyn.models import load_model, save_model
    from nadyn.models.learned import LearnedModel
    from nadyn.training.spin_orbit import learn_spin_orbit

    check_suffix(output, "`--output`", MODEL)
    check_output(output, *models, *data, overwrite=overwrite)
    blocks = [load_model(path) for path in models]
    for block, path in zip(blocks, models, strict=True):
        if not isinstance(block, LearnedModel):
            raise InputError(
                f"models to be coupled must be single networks of one spin, but {path} is not. Train one "
                "with `nadyn train --multiplicity`."
            )
    console = Console()
    dataset = load_dataset(data[0], *data[1:])
    with Bar(console=console, transient=True) as bar:
        task = bar.add_task("spin-orbit coupling", total=None)
        model, errors = learn_spin_orbit(
            blocks,
            dataset,
            steps=steps,
            seed=seed,
            validation_fraction=validation_fraction,
            report=lambda done, of: bar.update(task, completed=done, total=of),
        )
    save_model(model, output)
    console.print(f"held out: {errors.in_words()}", highlight=False)
    console.print(f"wrote {output}", highlight=False)
