"""The learning loop: rounds of training, trajectories and labels until the answer no longer changes."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nadyn.analysis.learning_record import LearningRecord, RoundRecord, write_record
from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.interfaces.sources import source_section
from nadyn.learning.asked_for import together, write_down
from nadyn.learning.beginning import beginning
from nadyn.learning.context import Clock, Context, Narrator, Silence
from nadyn.learning.desk import Desk
from nadyn.learning.diabatic import check_diabatic
from nadyn.learning.folder import Folder, alone_in
from nadyn.learning.gathering import check_earlier_data
from nadyn.learning.learn_file import LearnConfiguration, check_first_budget, check_sections
from nadyn.learning.plan import Plan, begun
from nadyn.learning.rounds import one_round
from nadyn.structures import formula, read_xyz


def learn(
    config: LearnConfiguration,
    output: str | Path,
    *,
    beside: Path | None = None,
    resume: bool = False,
    narrator: Narrator | None = None,
) -> LearningRecord:
    """Ask quantum chemistry until trajectories are what they are, and say how well that is known.

    Args:
        config: What is asked for.
        output: Folder for everything: labels, models, trajectories, `learning.json`, `report.html`.
        beside: Where relative paths of the configuration begin; the working folder if None.
        resume: Go on in a folder that an interrupted call has left.
        narrator: Tells a person what happens.

    Raises:
        InputError: The configuration, the molecule or the source cannot be used, or the folder is in use.
        RunError: The disk is full, or a training failed.
        KeyboardInterrupt: Ctrl-C or SIGTERM; what was done is kept, go on with `resume`.
    """
    folder = Folder(Path(output))
    beside = (beside or Path()).absolute()
    config = _beside(config, beside)
    if config.molecule is None:
        raise InputError("`molecule` must name a geometry to begin from, but is missing. Give an .xyz file.")
    config = together(folder, config, resume=resume)
    check_sections(config)
    molecule = read_xyz(config.molecule)
    folder.path.mkdir(parents=True, exist_ok=True)
    with alone_in(folder.path):
        numbers = tuple(int(number) for number in molecule.atomic_numbers)
        with Desk(
            config.source,
            numbers,
            folder.store.absolute(),
            processes=config.processes,
            time_limit_seconds=60.0 * config.label_minutes,
            folder=beside,
            scheduler=config.scheduler,
        ) as desk:
            _check_states(config, desk.source.multiplicities)
            context = Context(
                config=config,
                folder=folder,
                desk=desk,
                name=Path(config.molecule).stem,
                molecule_file=Path(config.molecule),
                source_folder=beside,
                clock=Clock.of(folder),
                narrator=narrator or Silence(),
            )
            # Before anything is asked: what does not fit together is refused at once.
            if not folder.round(0).exists():
                moves = bool({"overlaps", "interstate_couplings"} & set(desk.source.gives))
                check_first_budget(config, moves=moves)
            check_earlier_data(context)
            if config.diabatic:
                check_diabatic(desk.source)
            write_down(folder, config)
            title = f"{formula(molecule.atomic_numbers)}, {desk.source.theory}"
            return _rounds(context, title)


def _rounds(context: Context, title: str) -> LearningRecord:
    rounds = [beginning(context)]
    _keep(context, _record(context, title, rounds))
    context.narrator.round(rounds[0])
    agreed = False
    while True:
        before = rounds[-1] if len(rounds) > 1 else None
        plan = begun(context, len(rounds), agreed=agreed)
        done = one_round(context, len(rounds), plan, before=before)
        rounds.append(done)
        record = _record(context, title, rounds)
        # Before it is told: the page of a round is drawn from what is kept.
        _keep(context, record)
        context.narrator.round(done)
        if done.final:
            _publish(context, done)
            # What was spent then may have been raised since.
            spent = Plan.of(context, agreed=False).spent
            if _is_converged(done) or spent:
                record = _with_verdict(context, record, spent)
                _keep(context, record)
                return record
        # Last models that are not good enough are followed by rounds of small ones again.
        agreed = not done.final and _is_converged(done)


def _is_converged(record: RoundRecord) -> bool:
    """Return whether all goals of a round are reached; the first round has none before it to agree with."""
    return bool(record.answers) and all(answer.reached is True for answer in record.answers)


def _record(context: Context, title: str, rounds: list[RoundRecord]) -> LearningRecord:
    return LearningRecord(
        title=title,
        config=context.config.model_dump(mode="json"),
        rounds=tuple(rounds),
        verdict=f"Under way: {counted(len(rounds) - 1, 'round')}, {len(context.desk.store)} labels.",
        converged=None,
        goals=context.config.goals.model_dump(mode="json"),
    )


def _with_verdict(context: Context, record: LearningRecord, spent: str) -> LearningRecord:
    last = record.rounds[-1]
    n = len(context.desk.store)
    if _is_converged(last):
        return replace(
            record,
            converged=True,
            verdict=f"Converged with {n} labels in {counted(len(record.rounds) - 1, 'round')}.",
        )
    open_ones = [f"{one.question}: {one.sentence}" for one in last.answers if one.reached is not True]
    verdict = f"Not converged, and {spent}: {'; '.join(open_ones)}."
    return replace(record, converged=False, verdict=verdict)


def _publish(context: Context, record: RoundRecord) -> None:
    """Put the last models, their data and their trajectories where a person looks for them."""
    folder = context.folder.round(record.number)
    for name, target in (("model.safetensors", context.folder.model), ("dataset.h5", context.folder.dataset)):
        new = target.with_name(f".{target.name}.new")
        shutil.copyfile(folder / name, new)
        new.replace(target)
    for one in record.swarms:
        target = context.folder.path / f"run_{one.member}.h5"
        if target.exists() and target.samefile(folder / one.run):
            continue
        new = target.with_name(f".{target.name}.new")
        new.unlink(missing_ok=True)
        try:
            # Runs are large, and nobody writes into one that has ended: one file with two names.
            os.link(folder / one.run, new)
        except OSError:
            shutil.copyfile(folder / one.run, new)
        new.replace(target)


def _keep(context: Context, record: LearningRecord) -> None:
    write_record(context.folder.path, record)
    context.clock.save()


def _check_states(config: LearnConfiguration, multiplicities: Sequence[int]) -> None:
    """Refuse states that no model can learn together, before anything is labelled."""
    if len(set(multiplicities)) > 1:
        raise InputError(
            "`source` must have states of one multiplicity for a learning loop, but has those of "
            f"{' and '.join(map(str, sorted(set(multiplicities))))}. Learn one of them, or run all by direct "
            "dynamics."
        )
    n_states = len(multiplicities)
    if config.state >= n_states:
        raise InputError(
            f"`state` must be from 0 to {n_states - 1} for the {n_states} states of the source, but is "
            f"{config.state}."
        )


def _beside(config: LearnConfiguration, folder: Path) -> LearnConfiguration:
    """Return the configuration with its paths taken from a folder."""
    update: dict[str, object] = {}
    if config.molecule is not None:
        update["molecule"] = str(folder / config.molecule)
    # What is not given stays so: only what a call says is compared with what a folder was begun with.
    if "data" in config.model_fields_set:
        update["data"] = tuple(str(folder / path) for path in config.data)
    # With whole paths, because whoever goes on may be elsewhere.
    section = source_section(config.source, folder=folder)
    (name,) = config.source
    update["source"] = {name: section.model_dump(mode="json", exclude_unset=True)}
    return config.model_copy(update=update)
