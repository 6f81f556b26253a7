"""YAML read so that nothing gets lost: a key may stand in a section once only."""

import yaml

from nadyn.checks.errors import InputError

# References repeated, more than any configuration has entries.
_MOST_ENTRIES = 100_000


def read_yaml(text: str) -> object:
    """Return what a YAML text holds.

    Raises:
        InputError: A key is given twice (the sentence names it and both lines), or references repeat so much,
            brackets are so deep or a number is so long that it is none of ours.
        yaml.YAMLError: The text is no YAML.
    """
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _count(root, {})
        _check_keys(root, "")
        return loader.construct_document(root)
    except RecursionError:
        raise InputError("sections must not be nested so deeply. Remove brackets.") from None
    except InputError:
        raise
    except ValueError as error:
        # A scalar that looks like a number or a date and is none.
        raise InputError(f"a value must be one that can be read, but is not: {_short(error)}.") from None
    finally:
        loader.dispose()


def _count(node: yaml.Node, known: dict[int, int | None]) -> int:
    """Return the entries under a node, those that are referred to again and again counted each time."""
    if id(node) in known:
        count = known[id(node)]
        if count is None:
            raise InputError(
                f"line {node.start_mark.line + 1}: a section must not hold itself, but does. Write it out."
            )
        return count
    known[id(node)] = None
    count = 1
    if isinstance(node, yaml.SequenceNode):
        count += sum(_count(item, known) for item in node.value)
    elif isinstance(node, yaml.MappingNode):
        count += sum(_count(item, known) for pair in node.value for item in pair)
    if count > _MOST_ENTRIES:
        raise InputError(
            f"line {node.start_mark.line + 1}: a section must have under {_MOST_ENTRIES} entries, those that "
            "references repeat included, but has more."
        )
    known[id(node)] = count
    return count


def _check_keys(node: yaml.Node, path: str) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(item, path)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        # Other keys than words are refused later, and `<<` may merge several sections.
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
            continue
        line = key.start_mark.line + 1
        if key.value in lines:
            raise InputError(
                f"`{path}{key.value}` must be given once, but is in lines {lines[key.value]} and {line}. "
                "Remove one of them."
            )
        lines[key.value] = line
        _check_keys(value, f"{path}{key.value}.")


def _short(error: ValueError) -> str:
    return str(error).partition(";")[0][:100]
