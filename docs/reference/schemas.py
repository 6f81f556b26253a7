"""The JSON schemas that come with the package: from the sections, with what pages say of their keys."""

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from docs.reference.configuration import NOT_EXPLAINED, meanings_in, sections, title_of
from nadyn import shipped
from nadyn.learning.schemas import KINDS, schema_of

_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")


def schema_files(pages: list[str]) -> Iterator[tuple[Path, str]]:
    """Yield each schema file with what it should hold.

    Args:
        pages: Texts with `configuration` blocks, whose last columns become descriptions.
    """
    folder = shipped.path("hexafluorobutene/README.md").parents[1] / "schemas"
    told = dict(pair for page in pages for pair in _descriptions(page))
    for kind in KINDS:
        text = json.dumps(schema_of(kind, told), indent=1, ensure_ascii=False)
        yield folder / f"{kind}.schema.json", f"{text}\n"


def _descriptions(page: str) -> Iterator[tuple[tuple[type, str], str]]:
    blocks = re.findall(r"<!-- begin configuration (\S+) -->\n(.*?)<!-- end -->", page, flags=re.DOTALL)
    for name, text in blocks:
        module, _, class_name = name.rpartition(".")
        top = getattr(importlib.import_module(module), class_name)
        found, meanings = sections(top), meanings_in(text)
        for section in found:
            title = "" if section is top else title_of(section, found)
            for key in section.model_fields:
                meaning = meanings.get((title, key), NOT_EXPLAINED)
                if meaning != NOT_EXPLAINED:
                    yield (section, key), _LINK.sub(r"\1", meaning)
