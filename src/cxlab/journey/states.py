"""How the states of a journey are called that are no touchpoints, and what an experience is known from."""

from __future__ import annotations

from typing import Final

START: Final = "start"
END: Final = "end"
BUY: Final = "buy:"  # before the channel of a purchase
RATING: Final = "rating"  # what an experience was known from, where it was no outcome of an interaction
