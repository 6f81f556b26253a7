"""JSON of a file, which nothing in it may turn into a fault of the program."""

import json


def parse_json(text: str | bytes) -> object:
    """Return what a JSON text holds.

    Raises:
        ValueError: It is no JSON, or nested without end.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
