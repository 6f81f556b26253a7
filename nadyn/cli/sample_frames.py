"""`nadyn sample` of an MD run: starts at its frames."""

from collections.abc import Mapping
from pathlib import Path


def sample_frames(
    path: Path, output: Path, *, n: int, skip: int, state: int | None, others: Mapping[str, object]
) -> None:
    """Write starts at frames of a run.

    Args:
        path: The run, or frames with momenta.
        output: Where.
        n: How many.
        skip: Frames at the beginning of each trajectory that are left out.
        state: State to start on.
        others: Options that say nothing here, by their names.

    Raises:
        InputError: One of these is given, or there are no such frames.
    """
    from nadyn.checks.counts import counted
    from nadyn.checks.errors import InputError
    from nadyn.interfaces.starts_of_frames import starts_of_frames
    from nadyn.trajectory.initial_conditions import write_initial_conditions

    for option, value in others.items():
        if value not in (None, []):
            raise InputError(f"`{option}` must be left out for frames of a run, but is given. Remove it.")
    initial = starts_of_frames(path, n=n, skip=skip, state=state)
    write_initial_conditions(output, initial)
    where = "the states of the frames" if initial.state is None else f"state {initial.state}"
    print(f"Wrote {counted(n, 'initial condition')} on {where} to {output}: {initial.origin}")
