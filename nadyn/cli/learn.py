"""`nadyn learn`: from a molecule and a method to its photochemistry, asking for labels until it is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nadyn.learning.learn_file import LearnConfiguration


def learn(
    molecule: Annotated[
        Path,
        typer.Argument(
            help="Geometry to begin from (.xyz), a learn file (.yaml) with all settings, or with --resume "
            "the folder of an interrupted call."
        ),
    ],
    method: Annotated[
        str | None,
        typer.Option("--method", help='Level of theory for PySCF, such as "sa3-casscf(2,2)/6-31g*".'),
    ] = None,
    charge: Annotated[int | None, typer.Option("--charge", help="Total charge, beside --method.")] = None,
    state: Annotated[
        int | None, typer.Option("--state", min=0, help="State in which trajectories start.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Learn file with further settings.")] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="Dataset of the same level to begin with; may be repeated."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder; without it the name of the molecule.")
    ] = None,
    labels: Annotated[
        int | None, typer.Option("--labels", min=1, help="Most labels to ask for, over all calls.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=1.0, help="Most time to take, over all calls.")
    ] = None,
    processes: Annotated[int | None, typer.Option("--processes", min=1, help="How many at a time.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of everything that is drawn.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in the folder of an interrupted call, or begin.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say the verdict only.")] = False,
) -> None:
    """Learn the surfaces of a molecule, its trajectories and how well they are known.

    Everything is written into one folder; report.html in it shows how far it is, at any time.
    """
    from rich.console import Console

    from nadyn.analysis.learning_page import learning_page
    from nadyn.checks.errors import InputError
    from nadyn.checks.output import check_folder_name
    from nadyn.cli.learning_table import Drawn, Told
    from nadyn.learning.asked_for import stored_in
    from nadyn.learning.folder import LEARN_FILE, Folder
    from nadyn.learning.going_on import how_to_go_on
    from nadyn.learning.loop import learn as learn_until_known

    if resume and (molecule / LEARN_FILE).is_file():
        output = output or molecule
        molecule = Path(str(stored_in(molecule)["molecule"]))
    is_file = molecule.suffix in (".yaml", ".yml")
    if is_file and config is not None:
        raise InputError(
            f"`--config` must be given once, but {str(molecule)!r} is a learn file too. Leave one out."
        )
    learn_file = molecule if is_file else config
    content = {} if learn_file is None else _content(learn_file)
    beside = Path() if learn_file is None else learn_file.parent
    if not is_file:
        content["molecule"] = str(molecule.absolute())
    if data:
        content["data"] = [str(path.absolute()) for path in data]
    if charge is not None and method is None:
        raise InputError(
            "`--charge` must stand beside `--method`, but stands alone. A learn file has it in its `source`: "
            '{pyscf: {method: "…", charge: 1}}.'
        )
    if method is not None:
        if "source" in content:
            raise InputError("`--method` must not be given beside `source` in the learn file. Leave one out.")
        content["source"] = {"pyscf": {"method": method} | ({} if charge is None else {"charge": charge})}
    for name, value in (("state", state), ("processes", processes), ("seed", seed)):
        if value is not None:
            content[name] = value
    given = {name: value for name, value in (("labels", labels), ("minutes", minutes)) if value is not None}
    budget = content.get("budget", {})
    # What is no section is refused when all is checked.
    if given and isinstance(budget, dict):
        content["budget"] = {**budget, **given}
    if resume and "source" not in content:
        begun = output or Path(Path(str(content.get("molecule", "molecule"))).stem)
        content |= {key: value for key, value in stored_in(begun).items() if key == "source"}
    configuration = _checked(content, learn_file)
    if output is not None:
        check_folder_name(output, "`--output`")
    folder = output or Path(Path(configuration.molecule or "molecule").stem)
    same = learn_file is not None and (folder / LEARN_FILE).absolute() == learn_file.absolute()
    if same and not Folder(folder).is_begun:
        raise InputError(
            f"`--output` must be another folder than that of {str(learn_file)!r}, whose name the loop uses "
            "too, but is the same. Name a new one."
        )
    console = Console()
    try:
        with Told(console) if not quiet else Drawn() as told:
            told.watch(folder)
            record = learn_until_known(configuration, folder, beside=beside, resume=resume, narrator=told)
    except KeyboardInterrupt:
        console.print(
            f"interrupted; nothing is lost. Go on with: nadyn learn … --output {folder} --resume",
            soft_wrap=True,
        )
        raise
    page = learning_page(folder)
    console.print(record.verdict, soft_wrap=True, highlight=False)
    if advice := how_to_go_on(record, folder):
        console.print(advice, soft_wrap=True, highlight=False)
    console.print(f"{page} shows how it went; {folder}/model.safetensors is the committee.", soft_wrap=True)


def _content(path: Path) -> dict[str, object]:
    from nadyn.checks.configuration import parse_configuration, read_content
    from nadyn.learning.learn_file import LearnConfiguration

    content = read_content(path)
    if not isinstance(content, dict):
        parse_configuration(content, LearnConfiguration, where=str(path))
    return dict(content)


def _checked(content: dict[str, object], learn_file: Path | None) -> "LearnConfiguration":
    from nadyn.checks.configuration import parse_configuration
    from nadyn.checks.errors import InputError
    from nadyn.learning.learn_file import LearnConfiguration

    if "source" not in content:
        raise InputError(
            "`--method` must name a level of theory, but is missing. Try --method "
            '"sa3-casscf(2,2)/6-31g*", or a learn file with a `source`.'
        )
    return parse_configuration(content, LearnConfiguration, where=str(learn_file or "nadyn learn"))
