"""Before the first round: where trajectories start, and the first labels."""

import numpy as np

from nadyn.analysis.learning_record import RoundRecord
from nadyn.checks.errors import InputError
from nadyn.dynamics.initial import InitialSection, sample
from nadyn.electronic.labels import Label
from nadyn.interfaces.direct_run import source_model
from nadyn.learning.asked import asked_record
from nadyn.learning.context import Context
from nadyn.learning.desk import Progress
from nadyn.learning.direct import DIRECT, direct_trajectories
from nadyn.learning.folder import read_json, write_json
from nadyn.learning.gathering import BETWEEN, earlier_data
from nadyn.learning.stored_labels import known_of
from nadyn.trajectory.initial_conditions import (
    InitialConditions,
    read_initial_conditions,
    write_initial_conditions,
)

WIGNER = "wigner"


def beginning(context: Context) -> RoundRecord:
    """Do what comes before the first round, or what is left of it, and return it as round 0."""
    path = context.folder.round(0) / "round.json"
    with context.clock.on("labels", 0):
        starts = _starts(context)
        labels = _wigner_labels(context, starts)
        direct_trajectories(context)
    asked = [asked_record(WIGNER, labels)] if labels else []
    records = context.desk.store.records
    for tag, kind in ((DIRECT, DIRECT), (BETWEEN, "direct, between")):
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
            initial = sample(model, section, seed=config.seed)
        finally:
            desk.close()
        write_initial_conditions(path, initial)
    initial = read_initial_conditions(path)
    for notice in initial.notices:
        context.narrator.note(notice)
    return initial


def _wigner_labels(context: Context, starts: InitialConditions) -> list[Label]:
    n = min(context.config.first.wigner, len(starts.weight))
    if not n:
        return []
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
    return labels
