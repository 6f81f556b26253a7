"""A desk whose questions are answered in processes, one geometry each at a time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from nadyn.electronic.direct.questions import Answer, Facts, Question, facts_of
from nadyn.interfaces.worker_pool import WorkerPool


class PoolDesk:
    """Asks a source in processes of their own; see `Desk`."""

    def __init__(
        self,
        source: Mapping[str, object],
        atomic_numbers: Sequence[int],
        *,
        folder: Path,
        processes: int,
        timeout_seconds: float,
    ) -> None:
        """Prepare the desk; the processes start when they are needed.

        Args:
            source: One key, the name of the source, with its section.
            atomic_numbers: One number an atom.
            folder: Where relative paths of the section begin.
            processes: How many label at once, one at least.
            timeout_seconds: After which a label has failed.

        Raises:
            InputError: The source is missing or cannot label these atoms.
        """
        self._pool = WorkerPool(
            source, atomic_numbers, processes=processes, time_limit_seconds=timeout_seconds, folder=folder
        )
        self.facts: Facts = facts_of(self._pool.source)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the answers in the order of the questions.

        Raises:
            InputError: The source cannot do what it was set up for.
        """
        answers: dict[int, Answer] = {}
        for key, question in enumerate(questions):
            while not self._pool.has_room:
                answers |= dict(self._pool.wait_for_answers())
            self._pool.submit_question(key, question)
        while self._pool.n_busy:
            answers |= dict(self._pool.wait_for_answers())
        return [answers[key] for key in range(len(questions))]

    def close(self) -> None:
        """End all processes."""
        self._pool.close()
