"""The models of repeat buying in continuous time, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from cxlab.errors import ModelError, Problem, nearest
from cxlab.value.clv.bgnbd import BgNbd
from cxlab.value.clv.pareto_nbd import ParetoNbd

Family = Literal["bgnbd", "mbgnbd", "pareto"]
Buying = BgNbd | ParetoNbd
BUYING: Final[Mapping[str, Buying]] = {"bgnbd": BgNbd(0), "mbgnbd": BgNbd(1), "pareto": ParetoNbd()}
FAMILIES: Final[tuple[Family, ...]] = ("bgnbd", "mbgnbd", "pareto")


def buying(name: str) -> Buying:
    """Return the model of a name; refuse others with the nearest."""
    if name not in BUYING:
        near = nearest(name, FAMILIES)
        raise ModelError(
            Problem("no such model of repeat buying", value=name, allowed=", ".join(FAMILIES), nearest=near)
        )
    return BUYING[name]
