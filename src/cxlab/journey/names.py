"""How the findings on the journey name things: states of a path, experiences, touchpoints with their question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from cxlab.inference.experiences import NOT
from cxlab.journey.states import BUY, END, RATING, START
from cxlab.report.finding import Finding
from cxlab.report.format import plain
from cxlab.report.tidy import Estimates, Say
from cxlab.report.writing import Group, Message, Reference, Writer

_PLAIN: Final = {START: "start", END: "end", "other": "rest"}  # states that are no touchpoints


@dataclass(frozen=True)
class State(Reference):
    """A state of a journey: a touchpoint, a purchase, start or end."""

    id: str

    def written(self, write: Writer) -> str:
        """Return the text."""
        if self.id.startswith(BUY):
            channel = self.id.removeprefix(BUY)
            key = "journey_state.buy_by" if channel else "journey_state.buy"
            return write.message(key, {"channel": Group("channel", channel)} if channel else {})
        if self.id in _PLAIN:
            return write.message(f"journey_state.{_PLAIN[self.id]}")
        return write(Group("touchpoint", self.id))


@dataclass(frozen=True)
class Experience(Reference):
    """A touchpoint with the outcome that an experience was known from."""

    touchpoint: str
    basis: str

    def written(self, write: Writer) -> str:
        """Return the text."""
        place = Group("touchpoint", self.touchpoint)
        if self.basis in ("", RATING):
            return write(place)
        said = write(Group("outcome", self.basis.removeprefix(NOT)))
        if self.basis not in write.labels.groups.get("outcome", {}):
            said = plain(said.replace("_", " "))
            said = write.message("journey_state.not", {"outcome": said}) if self.basis.startswith(NOT) else said
        else:
            said = write(Group("outcome", self.basis))
        return write.message("journey_state.outcome", {"touchpoint": place, "outcome": said})


@dataclass(frozen=True)
class Place(Reference):
    """A touchpoint; with the question's name where the touchpoint has several."""

    touchpoint: str
    item: str
    several: bool

    def written(self, write: Writer) -> str:
        """Return the text."""
        if not self.several:
            return write(Group("touchpoint", self.touchpoint))
        fields = {
            "touchpoint": Group("touchpoint", self.touchpoint),
            "item": write.labels.item(self.item, write.language),
        }
        return write.message("gaps_profile.item", fields)


@dataclass(frozen=True)
class Quoted(Reference):
    """The name of an event as the client wrote it."""

    event: str

    def written(self, write: Writer) -> str:
        """Return the text."""
        return write.message("gaps_events.quoted", {"event": plain(self.event)})


def unanswered(estimates: Estimates, rows: Estimates, id: str, reason: str) -> Finding | None:
    """Return the finding that says why a question has no answer: no rows (`reason`), or rows without numbers."""
    about = estimates.about
    if not len(rows):
        return about.finding(id, [Say(f"journey_missing.{id}", reason=Message(f"journey_reason.{reason}"))])
    if rows.state:
        blocked = rows.first_of(otherwise="suppressed")
        return about.finding(id, [Say(f"journey_blocked.{blocked}")], verdict=blocked)
    return None


def small_print(rows: Estimates, key: str, unit: str = "") -> dict[str, Any]:
    """Return the small print: the interval, how many of a `unit`, what the numbers are, that they prove no cause."""
    first = rows.known.first
    notes: list[Any] = [key]
    if unit and first is not None:
        column = "n_all" if rows.frame["n_all"].notna().any() else "n"
        total = float(rows.frame[column].astype(float).max())
        notes.insert(0, Message(f"journey_note.{unit}", n=total, quantity=total))
    if first is not None:
        first = type(first)({**first, "n": float("nan"), "weighting": ""})
    return {"row": first, "notes": notes, "association": True}
