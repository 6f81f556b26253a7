"""A figure of a report with its words and its numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Section:
    """A figure with its words.

    Attributes:
        name: Short name, of a file or an anchor.
        title: Heading.
        caption: What one sees.
        figure: The figure.
        table: The numbers of the figure, a column a key, for those who take them away; without it they are
            read from what was drawn.
        markup: What stands below the caption, such as a table with links; markup, not text.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    table: Mapping[str, Sequence[object]] | None = None
    markup: str = ""
