"""Labels as the store keeps them, and back."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from nadyn.data.label_record import LabelMethod, Record
from nadyn.electronic.labels import Known, Label, LabelSource, Quality
from nadyn.interfaces.sources import source_section


def method_of_source(source: LabelSource, configuration: Mapping[str, object]) -> LabelMethod:
    """Return what makes the labels of a source comparable, all settings included.

    Settings that change no number, such as memory, are named by `WITHOUT_EFFECT` of their section.
    """
    (name, _), *_ = configuration.items()
    section = source_section(configuration)
    settings = section.model_dump(mode="json", exclude=set(getattr(section, "WITHOUT_EFFECT", ())))
    return LabelMethod(
        source=str(name),
        theory=source.theory,
        atomic_numbers=tuple(source.atomic_numbers),
        charge=source.charge,
        multiplicities=tuple(source.multiplicities),
        settings=settings,
    )


def record_of(positions: Float[np.ndarray, "atom 3"], label: Label, *, tag: str) -> Record:
    """Return a label as the store keeps it."""
    return Record(
        positions=positions,
        quality=label.quality.name.lower(),
        reason=label.reason,
        energies=label.energies,
        forces=label.forces,
        interstate_couplings=label.interstate_couplings,
        dipoles=label.dipoles,
        seconds=label.seconds,
        checks=dict(label.checks),
        memory=dict(label.memory),
        doubted=label.doubted,
        tag=tag,
    )


def known_of(record: Record) -> Known:
    """Return a geometry of the store with its label."""
    label = Label(
        quality=Quality[record.quality.upper()],
        reason=record.reason,
        energies=record.energies,
        forces=record.forces,
        interstate_couplings=record.interstate_couplings,
        dipoles=record.dipoles,
        seconds=record.seconds,
        checks=record.checks,
        memory=record.memory,
        doubted=record.doubted,
    )
    return Known(record.positions, label)
