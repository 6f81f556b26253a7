"""Before the first round: where trajectories start, and the first labels."""

import numpy as np

from nadyn.analysis.learning_record import RoundRecord
from nadyn.checks.errors import InputError
from nadyn.dynamics.initial import InitialSection, sample_oscillators
from nadyn.dynamics.initial.oscillators import oscillators
from nadyn.interfaces.direct_run import source_model
from nadyn.learning.asked import asked_record
from nadyn.learning.context import Context
from nadyn.learning.desk import Progress
from nadyn.learning.direct import DIRECT, direct_trajectories
from nadyn.learning.folder import read_json, write_json
from nadyn.learning.gathering import BETWEEN, earlier_data
from nadyn.learning.preflight import TAG as PREFLIGHT
from nadyn.learning.preflight import preflight
from nadyn.learning.stored_labels import known_of
from nadyn.trajectory.initial_conditions import (
    InitialConditions,
    read_initial_conditions,
    write_initial_conditions,
)

WIGNER = "wigner"
# Geometries that a level of theory is judged by.
_PREFLIGHT = 20


def beginning(context: Context) -> RoundRecord:
    """Do what comes before the first round, or what is left of it, and return it as round 0."""
    path = context.folder.round(0) / "round.json"
    with context.clock.on("labels", 0):
        starts = _starts(context)
        _look_at_the_level(context, starts)
        _wigner_labels(context, starts)
        direct_trajectories(context)
    asked = []
    records = context.desk.store.records
    for tag, kind in (*((one, one) for one in (PREFLIGHT, WIGNER, DIRECT)), (BETWEEN, "direct, between")):
        of_tag = [known_of(record).label for record in records if record.tag == tag]
        if of_tag:
            asked.append(asked_record(kind, of_tag))
    n_earlier = sum(dataset.n_frames for dataset in earlier_data(context))
    record = RoundRecord(
        number=0,
        final=False,
        frames=n_earlier,
        labels=0,
        swarms=(),
        outside_method=0,
        asked=tuple(asked),
        fresh=None,
        answers=(),
        seconds=context.clock.of_round(0),
    )
    if read_json(path) is None:
        write_json(path, {"labels": len(records)})
    return record


def _starts(context: Context) -> InitialConditions:
    """Return where trajectories start: a Wigner sample about the minimum of the source's lowest state."""
    path, config = context.folder.starts, context.config
    if not path.exists():
        context.narrator.stage("minimum and vibrations of the ground state, by the source")
        geometry = str(context.molecule_file)
        model, desk = source_model(
            config.source,
            geometry,
            folder=context.source_folder,
            isotopes={},
            labels={"processes": config.processes, "timeout_minutes": config.label_minutes},
        )
        try:
            section = InitialSection(
                sample=WIGNER,
                n=config.sample.n,
                temperature_kelvin=config.sample.temperature_kelvin,
                geometry=geometry,
                state=config.state,
            )
            found = oscillators(model, section)
            initial = sample_oscillators(model, found, section, seed=config.seed)
        finally:
            desk.close()
        write_json(context.folder.minimum, {"positions_bohr": found.modes.centre.tolist()})
        write_initial_conditions(path, initial)
    initial = read_initial_conditions(path)
    for notice in initial.notices:
        context.narrator.note(notice)
    return initial


def _look_at_the_level(context: Context, starts: InitialConditions) -> None:
    """Refuse a level of theory that is a patchwork where trajectories start, unless it is forced."""
    path = context.folder.path / "preflight.json"
    if path.exists():
        return
    context.narrator.stage("looking at the level of theory: active space, smoothness, bonds")
    minimum = np.array(read_json(context.folder.minimum)["positions_bohr"])
    found = preflight(
        context.desk,
        minimum,
        np.array(starts.positions[::-1][:_PREFLIGHT]),
        forced=context.config.force,
        tell=context.narrator.progress,
    )
    for sentence in found.sentences:
        context.narrator.note(sentence)
    if found.refused:
        raise InputError(f"`source` must be a level of theory that holds, but: {found.refused}")
    write_json(path, dict(found.record) | {"sentences": list(found.sentences)})


def _wigner_labels(context: Context, starts: InitialConditions) -> None:
    n = min(context.config.first.wigner, len(starts.weight))
    if not n:
        return
    # From the end: trajectories of the swarms begin with the first ones.
    geometries = starts.positions[::-1][:n]
    context.narrator.stage(f"labelling {n} geometries of the sample")

    def tell(progress: Progress) -> None:
        context.narrator.progress(f"{progress.n_done} of {progress.n} labels")

    labels = context.desk.label(np.array(geometries), tag=WIGNER, progress=tell)
    if not any(label is not None and label.quality.name == "TRUSTED" for label in labels):
        reasons = {label.reason for label in labels if label is not None}
        raise InputError(
            f"`source` must give trusted labels at the minimum, but of {n} geometries of the sample none is "
            f"trusted: {'; '.join(sorted(reasons)[:3])} Try another method or active space."
        )
