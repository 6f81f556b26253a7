"""The section of a model as a label source; what it needs is loaded with the first label."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from nadyn.checks.configuration import Configuration
from nadyn.electronic.labels import LabelSource


class ModelSection(Configuration):
    """A model as a source: {model: file.safetensors}, {model: {name: sulfur_dioxide, variant: singlets}}.

    `model` and `molecule` are those of a run file. A model in normal coordinates that knows its molecule is
    evaluated at geometries turned into its frame.
    """

    model: str | dict[str, object]
    molecule: str | None = None
    charge: int = 0

    # Where it lies is no matter of the labels; `theory` says what they are.
    WITHOUT_EFFECT: ClassVar[tuple[str, ...]] = ("model", "molecule")

    def beside(self, folder: Path) -> "ModelSection":
        """Return the section with the paths of files taken from `folder`."""
        from nadyn.dynamics.run_file import model_beside

        return self.model_copy(update={"model": model_beside(self.model, folder)})

    def source(self, atomic_numbers: Sequence[int]) -> LabelSource:
        """Return the source for these atoms, in this order.

        Raises:
            InputError: There is no such model, it is of other atoms, or of coordinates without a molecule.
        """
        from nadyn.interfaces.model_source import source_of_section

        return source_of_section(self, tuple(int(number) for number in atomic_numbers))
