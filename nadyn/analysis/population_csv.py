"""Populations as a table for other programs: one row a time, one column a number."""

import csv
import io


def populations_csv(numbers: dict[str, object]) -> str:
    """Return populations and the ends of their intervals as comma-separated values.

    Columns: `time_fs`; for each state k `population_k`, `low_k`, `high_k`, and over members of a committee
    `sampling_low_k`, `sampling_high_k`, `model_k` and `population_k_member_m`. Empty where nothing is known.

    Args:
        numbers: Of `analyse` or `analyse_members`.
    """
    n_states = len(numbers["populations"][0])
    columns: dict[str, list[float | None]] = {"time_fs": list(numbers["time_fs"])}
    for k in range(n_states):
        columns[f"population_{k}"] = [row[k] for row in numbers["populations"]]
        for name in ("low", "high", "sampling_low", "sampling_high", "model"):
            if f"populations_{name}" in numbers:
                columns[f"{name}_{k}"] = [row[k] for row in numbers[f"populations_{name}"]]
        for one in numbers.get("members", []):
            columns[f"population_{k}_member_{one['member']}"] = [row[k] for row in one["populations"]]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        table.writerow("" if value is None else f"{value:.8g}" for value in row)
    return text.getvalue()
