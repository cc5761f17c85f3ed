"""How the states of a journey are called that are no touchpoints."""

from __future__ import annotations

from typing import Final

START: Final = "start"
END: Final = "end"
BUY: Final = "buy:"  # before the channel of a purchase
