"""The desk: geometries go in and labels come out, over several processes, with a store of all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.data.label_record import geometry_name
from nadyn.data.label_store import LabelStore
from nadyn.electronic.interrupt import termination_interrupts
from nadyn.electronic.label_judgement import judged
from nadyn.electronic.labels import Known, Label
from nadyn.interfaces.scheduled_pool import ScheduledPool
from nadyn.interfaces.worker_pool import WorkerPool
from nadyn.learning.stored_labels import known_of, method_of_source, record_of

# A geometry begins from labels of those at least so many places before it in the same list, whichever
# processes are faster: as many processes as this give the same labels as one.
_LAG = 8
_NEAR = 3


@dataclass(frozen=True)
class Progress:
    """How far a list of geometries is.

    Attributes:
        number: Which geometry was labelled last; None at the beginning.
        label: Its label.
        n_done: Labels that are there, with those that were in the store.
        n: Geometries of the list.
    """

    number: int | None
    label: Label | None
    n_done: int
    n: int


class Desk:
    """Labels lists of geometries; use it in a `with` block, at whose end its processes are gone.

    What a label begins from are trusted labels in the store and those of geometries that stand well before it
    in the same list. So labels depend on the list and on the store, but not on how many processes, or threads
    of a scheduler's workers, label, up to eight of them. What depends on the machine are labels that ran into
    the time limit, and those begun while another program wrote into the same store.
    """

    def __init__(
        self,
        configuration: Mapping[str, object],
        atomic_numbers: Sequence[int],
        store: str | Path,
        *,
        processes: int = 1,
        time_limit_seconds: float | None = None,
        folder: Path | None = None,
        scheduler: str | None = None,
    ) -> None:
        """Open the store of a source.

        Args:
            configuration: The source, as `source_from` takes it.
            atomic_numbers: One number an atom.
            store: Folder of the label store.
            processes: How many labels are computed at a time.
            time_limit_seconds: Time by the clock after which a label has failed.
            folder: Where relative paths of the source begin; the working folder if None.
            scheduler: Address of a dask scheduler, whose workers label instead of processes of this machine,
                as many at a time as they have threads.

        Raises:
            InputError: The source or the store cannot be used.
        """
        self._lag, limits = _LAG, {"time_limit_seconds": time_limit_seconds, "folder": folder}
        if scheduler is None:
            self._pool = WorkerPool(configuration, atomic_numbers, processes=processes, **limits)
        else:
            self._pool = ScheduledPool(configuration, atomic_numbers, scheduler=scheduler, **limits)
            self._lag = max(_LAG, self._pool.at_once)
        self.source = self._pool.source
        self.store = LabelStore(store, method_of_source(self.source, configuration))

    def __enter__(self) -> "Desk":
        """Processes begin as they are needed."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the processes."""
        self.close()

    def close(self) -> None:
        """End the processes; labels that are being computed are lost, all others are in the store."""
        self._pool.close()

    def label(
        self,
        geometries: Float[np.ndarray, "frame atom 3"],
        *,
        tag: str = "",
        again: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> list[Label | None]:
        """Return the label of each geometry [bohr]; those in the store are not computed again.

        Each label is in the store as soon as it is there. Ctrl-C and SIGTERM lose those that are being
        computed; the same call goes on with the rest.

        Args:
            geometries: What is asked for.
            tag: A word that the store keeps with the labels.
            again: Ask once more for labels that have failed.
            progress: Called at the beginning and after each label.

        Returns:
            One label a geometry; None where the source has been asked and has no answer yet.

        Raises:
            InputError: The source refuses.
            KeyboardInterrupt: Ctrl-C or SIGTERM.
        """
        with termination_interrupts():
            return self._label(np.asarray(geometries, dtype=np.float64), tag, again, progress)

    def _label(
        self,
        geometries: np.ndarray,
        tag: str,
        again: bool,
        progress: Callable[[Progress], None] | None,
    ) -> list[Label | None]:
        self.store.refresh()
        names = [geometry_name(positions) for positions in geometries]
        here = frozenset(names)
        before = [record.name for record in self.store.records if record.name not in here]
        labels: list[Label | None] = [self._stored(positions, again) for positions in geometries]
        waiting = _first_of_each([n for n, label in enumerate(labels) if label is None], names)
        unfinished = set(waiting)
        tell = progress or (lambda _: None)
        n_done = len(geometries) - len(unfinished)
        tell(Progress(None, None, n_done, len(geometries)))
        while unfinished:
            while waiting and self._pool.has_room and self._may_begin(waiting[0], unfinished, bool(before)):
                number = waiting.pop(0)
                among = [*before, *sorted({names[n] for n in self._earlier(number, bool(before))})]
                self._pool.submit(
                    number, geometries[number], self._near(geometries[number], among, names[number])
                )
            for number, label in self._pool.wait():
                unfinished.discard(number)
                n_done += 1
                if label is not None:
                    among = [*before, *sorted({names[n] for n in self._earlier(number, bool(before))})]
                    near = self._near(geometries[number], among, names[number])
                    label = judged(label, geometries[number], near)
                    self.store.add(record_of(geometries[number], label, tag=tag))
                labels[number] = label
                tell(Progress(number, label, n_done, len(geometries)))
        first = {name: number for number, name in reversed(list(enumerate(names)))}
        return [labels[first[name]] for name in names]

    def _stored(self, positions: np.ndarray, again: bool) -> Label | None:
        record = self.store.get(positions)
        if record is None or (again and record.quality == "failed"):
            return None
        return known_of(record).label

    def _earlier(self, number: int, has_others: bool) -> range:
        """Return which geometries of the list may help: the first alone helps all where nothing else does."""
        return range(max(number - self._lag + 1, 0 if has_others or number == 0 else 1))

    def _may_begin(self, number: int, unfinished: set[int], has_others: bool) -> bool:
        return not any(n in unfinished for n in self._earlier(number, has_others))

    def _near(self, positions: np.ndarray, among: Sequence[str], own: str) -> list[Known]:
        found = self.store.nearest(positions, most=_NEAR, among=among, without=frozenset({own}))
        return [known_of(record) for _, record in found]


def _first_of_each(numbers: Sequence[int], names: Sequence[str]) -> list[int]:
    """Return the first of those geometries that are the same."""
    seen: dict[str, int] = {}
    for number in numbers:
        seen.setdefault(names[number], number)
    return list(seen.values())
