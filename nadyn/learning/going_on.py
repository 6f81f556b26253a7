"""What a person may do when a loop has ended without an answer: how to go on, and what that costs."""

import math
from pathlib import Path

from nadyn.analysis.learning_record import LearningRecord


def how_to_go_on(record: LearningRecord, folder: str | Path) -> str:
    """Return in a sentence what labels have cost, and the command that asks for twice as many; empty where
    the loop has converged or is under way."""
    if record.converged is not False:
        return ""
    minutes = sum(sum(one.seconds.values()) for one in record.rounds) / 60.0
    of_labels = sum(one.seconds.get("labels", 0.0) for one in record.rounds) / 60.0
    n_labels = 2 * int(record.config["budget"]["labels"])
    # Rounds cost what they did before, and their number grows with the labels.
    most = 10 * math.ceil(2 * max(minutes, 1.0) / 10)
    return (
        f"Labels took {of_labels:.0f} of {minutes:.0f} minutes. For twice as many: "
        f"nadyn learn {folder} --resume --labels {n_labels} --minutes {most}"
    )
