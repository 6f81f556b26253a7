"""YAML read so that nothing gets lost: a key may stand in a section once only."""

import yaml

from nadyn.checks.errors import InputError


def read_yaml(text: str) -> object:
    """Return what a YAML text holds.

    Raises:
        InputError: A key is given twice; the sentence names it and both lines.
        yaml.YAMLError: The text is no YAML.
    """
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _check_keys(root, "")
        return loader.construct_document(root)
    finally:
        loader.dispose()


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
