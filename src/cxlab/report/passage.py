"""A part of a page that is no finding of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cxlab.report import blocks
from cxlab.report.blocks import Block


@dataclass(frozen=True)
class Passage:
    """A part of the page that is no finding of its own: blocks in each language."""

    id: str
    pages: Mapping[str, Sequence[Block]]

    def payload(self, languages: Sequence[str] = ()) -> dict[str, object]:
        """Return the JSON payload in the given languages, primary first."""
        return blocks.payload(self.id, {lang: self.pages[lang] for lang in languages or self.pages})

    def display(self, languages: Sequence[str] = ()) -> None:
        """Show the passage in a notebook."""
        blocks.display(self.payload(languages))
