"""`nadyn intersect MODEL --source`: model and source by turns, until their lowest crossings are the same."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from nadyn.learning.crossing_starts import Starts
    from nadyn.learning.crossing_turns import Terms, Turn
    from nadyn.learning.crossings_in_turn import InTurn
    from nadyn.models.learned import LearnedModel
    from nadyn.training.configuration import TrainingConfiguration

ASKED = "asked.json"


def check_folder_in_turn(output: Path, *, resume: bool) -> None:
    """Refuse a folder that holds an earlier call, unless that is gone on with.

    Raises:
        InputError: It holds one, and `resume` is False.
    """
    from nadyn.checks.errors import InputError

    if (output / ASKED).exists() and not resume:
        raise InputError(
            f"folder {str(output)!r} must be new, but holds rounds of model and source. Try another "
            "--output, or --resume to go on."
        )


def intersect_in_turn(
    console: "Console",
    model: Path,
    source: Path,
    data: Sequence[Path],
    starts: "Starts | None",
    pair: tuple[int, int] | None,
    *,
    terms: "Terms",
    n: int,
    config: Path | None,
    output: Path,
    store: Path | None,
    processes: int,
) -> None:
    """Do all rounds, or what is left of them; write the last model, its crossings, the labels and the table.

    Raises:
        InputError: Model, data and source do not fit together, or an earlier call asked for something else.
    """
    from nadyn.checks.configuration import read_configuration
    from nadyn.data import load_dataset
    from nadyn.interfaces.sources import read_source, source_from
    from nadyn.learning.crossing_lessons import Lessons, own_group, settings_to_go_on, single_model
    from nadyn.learning.crossing_starts import starts_of_model
    from nadyn.learning.crossings_in_turn import InTurn, round_of
    from nadyn.learning.desk import Desk
    from nadyn.models import load_model
    from nadyn.training.configuration import TrainingConfiguration

    first = single_model(load_model(model))
    training = (
        settings_to_go_on(first, seed=terms.seed)
        if config is None
        else read_configuration(config, TrainingConfiguration)
    )
    begin = starts or starts_of_model(first, 1, seed=terms.seed)
    states = pair or begin.states or (0, 1)
    configuration = read_source(source)
    _check_fit(first, begin)
    beside = source.absolute().parent
    # Before anything is written or asked.
    known = load_dataset(data[0], *data[1:], mix=training.mix)
    labels = source_from(configuration, first.atomic_numbers, folder=beside)
    _check_source(first, labels.multiplicities)
    name = own_group(known, labels)
    place = store or output / "labels"
    with Desk(configuration, first.atomic_numbers, place, processes=processes, folder=beside) as desk:
        output.mkdir(parents=True, exist_ok=True)
        _check_asked(output, first, begin, states, terms=terms, n=n, training=training, source=configuration)

        def file(number: int) -> Path:
            return round_of(output, number) / "model.safetensors" if number > 1 else model

        work = InTurn(
            model=first,
            learn=Lessons(first, known, training, file).learn,
            desk=desk,
            name=name,
            starts=begin.positions,
            pair=states,
            n=n,
            terms=terms,
            folder=output,
        )
        _do(console, work, file)


def _do(console: "Console", work: "InTurn", file: Callable[[int], Path]) -> None:
    import json
    from dataclasses import asdict

    import numpy as np

    from nadyn.checks.output import write_new
    from nadyn.cli.crossing_search import search_and_write
    from nadyn.cli.tables import print_table
    from nadyn.electronic.crossings import landscape_of_model
    from nadyn.learning.crossing_starts import Starts
    from nadyn.learning.crossing_turns import verdict
    from nadyn.learning.crossings_in_turn import crossings_in_turn
    from nadyn.models import load_model

    with console.status("") as status:
        turns = crossings_in_turn(
            work, stage=status.update, done=lambda turn: print_table(console, turn_table(turn))
        )
    words = verdict(turns, work.terms)
    rounds = [{key: value for key, value in asdict(turn).items() if key != "asked"} for turn in turns]
    record = {"format": "nadyn-crossings-in-turn", "version": 1, "verdict": words, "rounds": rounds}
    write_new(work.folder / "rounds.json", json.dumps(record, indent=1))
    _write_labels(work, turns)
    last = file(len(turns))
    if len(turns) > 1:
        write_new(work.folder / "model.safetensors", last.read_bytes())
    console.print(words, soft_wrap=True, highlight=False)
    found = tuple(np.array(one.positions) for one in turns[-1].crossings)
    if found:
        numbers = tuple(work.desk.source.atomic_numbers)
        starts = Starts(found, ("last round",) * len(found), numbers)
        landscape = landscape_of_model(load_model(last))
        seed = work.terms.seed
        search_and_write(console, landscape, starts, work.pair, method="both", output=work.folder, seed=seed)


def _write_labels(work: "InTurn", turns: "Sequence[Turn]") -> None:
    """Write all labels that the source gave as a dataset, to be trained with."""
    from nadyn.data import Dataset, write_dataset
    from nadyn.learning.asked_of_source import Notebook
    from nadyn.learning.crossings_in_turn import TAG

    notebook = Notebook(work.desk, max(turn.labels for turn in turns), tag=TAG)
    for turn in turns:
        notebook.remember(turn.asked)
    if notebook.n_trusted:
        write_dataset(work.folder / "labels.h5", Dataset((notebook.group(work.name),)), overwrite=True)


def _check_fit(model: "LearnedModel", starts: "Starts") -> None:
    from nadyn.checks.errors import InputError

    if starts.atomic_numbers != model.atomic_numbers:
        raise InputError(
            "the geometries to begin from must have the atoms of the model in their order, but have others."
        )


def _check_source(model: "LearnedModel", multiplicities: Sequence[int]) -> None:
    from nadyn.checks.errors import InputError

    if len(multiplicities) != model.n_states:
        raise InputError(
            f"`--source` must have the {model.n_states} states of the model, but has {len(multiplicities)}."
        )


def _check_asked(
    output: Path,
    model: "LearnedModel",
    starts: "Starts",
    states: tuple[int, int],
    *,
    terms: "Terms",
    n: int,
    training: "TrainingConfiguration",
    source: dict[str, object],
) -> None:
    """Note what is asked for, or refuse to go on with something else."""
    import hashlib
    import json

    from nadyn.checks.errors import InputError
    from nadyn.checks.output import write_new

    weights = hashlib.sha256()
    for tensor in model.potential.state_dict().values():
        weights.update(tensor.detach().numpy().tobytes())
    now = {
        "model": weights.hexdigest(),
        "states": list(states),
        "starts": [one.tolist() for one in starts.positions],
        "n": n,
        "source": source,
        "training": training.model_dump(mode="json"),
        **terms.binding,
    }
    path = output / ASKED
    now = json.loads(json.dumps(now))
    before = json.loads(path.read_text()) if path.exists() else now
    different = [name for name in now if before.get(name) != now[name]]
    if different:
        raise InputError(
            f"`{different[0]}` must stay as it was in folder {str(output)!r}, but is another one. "
            "Ask for the same, or take another --output."
        )
    write_new(path, json.dumps(now, indent=1))


def turn_table(turn: "Turn") -> "Table":
    """Return a round as a table: what the source says of each crossing of the model."""
    from rich.table import Table

    trained = "the model as it was given" if turn.frames is None else f"trained on {turn.frames} frames"
    title = f"round {turn.number}: {trained}, {turn.labels} labels so far"
    table = Table(title=title, title_justify="left")
    for name in (
        "energy (hartree)",
        "wrong there by (eV)",
        "gap there (eV)",
        "from the source's (eV)",
        "(Å)",
        "",
    ):
        table.add_column(name)
    for one in turn.crossings:
        table.add_row(
            f"{one.energy:.5f}",
            _number(one.wrong_ev, "+.3f")
            if one.label == "trusted"
            else f"{_number(one.wrong_ev, '+.3f')} ({one.label})",
            _number(one.gap_ev, ".3f"),
            _number(one.apart_ev, "+.3f"),
            _number(one.rmsd_angstrom, ".3f"),
            "the same" if one.agrees else "not yet",
        )
    return table


def _number(value: float | None, form: str) -> str:
    return "?" if value is None else format(value, form)
