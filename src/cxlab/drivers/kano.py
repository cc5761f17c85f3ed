"""Pain or wow: the penalty and the reward side of an attribute, and which kind it is, draw by draw.

Both sides are read off one fitted curve. They are reported from the typical answer, the median code, but never from the
first or the last one, which has but one side:

    reward  = f(best) - f(reference)        penalty = f(reference) - f(worst)

An attribute is *indifferent* when neither side is worth acting on (region of practical equivalence, in the units of the
report). Else the slopes below and above the curve's bend decide, of the broken line closest to the curve where the
answers are. They are taken on the latent scale, where a ceiling of the outcome cannot make rewards look small, and per
code, so that a linear attribute is called linear wherever the answers lie; the bend is sought between the middle of the
scale and the typical answer, for where most give the best mark the typical answer lies above the bend of many a curve:

    lean = slope below / (slope below + slope above)

*Must-be* (pain): at least `MOST` of the slope lies below the bend. *Delighter* (wow): at least as much above. *Linear*:
in between. Each draw has exactly one kind, so the four probabilities add up to one. No test is involved.

References
----------
Kano, Seraku, Takahashi and Tsuji (1984), Journal of the Japanese Society for Quality Control 14, 39-48.
Brandt (1988), penalty-reward contrasts, Journal of Services Marketing 2, doi:10.1108/eb024715.
Kruschke (2018), regions of practical equivalence, doi:10.1177/2515245918771304.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

KINDS: Final = ("must_be", "linear", "delighter", "indifferent")
MOST: Final = 0.7  # part of both slopes from which one side makes the kind; planted kinds are told apart best near it
_RARE: Final = 1e-3  # what a code counts for that nobody answered
SURE: Final = 0.9  # probability from which a page calls an attribute a pain or a wow


@dataclass(frozen=True)
class Anchors:
    """Levels of each attribute between which its sides are measured; level 0 is "not used", codes begin at 1.

    Attributes
    ----------
    worst, best : int array (attribute,)
    reference : int array (attribute,)
        The typical code, from which reward and penalty are reported.
    bend : int array (attribute,)
        The code at which the slopes of both sides are compared.
    share : array (attribute, level)
        How often each level is answered.
    """

    worst: np.ndarray
    best: np.ndarray
    reference: np.ndarray
    bend: np.ndarray
    share: np.ndarray

    @property
    def two_sided(self) -> np.ndarray:
        """Which attributes have at least three codes, and so two sides."""
        return self.best - self.worst >= 2


def anchors(effect: np.ndarray, share: np.ndarray) -> Anchors:
    """Find the worst, the typical and the best code of each attribute, and where its curve bends.

    Parameters
    ----------
    effect : array (draw, attribute, level)
        Contribution of each code; not a number beyond an attribute's codes.
    share : array (attribute, level)
        How often each code is answered; level 0, "not used", takes no part.
    """
    best = np.maximum(np.isfinite(effect[0, :, 1:]).sum(axis=1), 1)
    worst = np.ones_like(best)
    users = np.nan_to_num(np.asarray(share, float)[:, 1:])
    below = np.cumsum(users, axis=1) / np.maximum(users.sum(axis=1, keepdims=True), 1e-300)
    median = np.minimum(1 + (below < 0.5).sum(axis=1), best)
    reference = np.where(best >= 3, np.clip(median, 2, np.maximum(best - 1, 2)), median)
    bend = reference.copy()
    for j in np.flatnonzero(best >= 3):
        middle = (1 + best[j]) / 2
        ends = (min(int(np.floor(middle)), reference[j]), max(int(np.ceil(middle)), reference[j]))
        inner = np.arange(ends[0], ends[1] + 1)
        curve = effect[:, j, :].mean(axis=0)
        below_it, above_it = (
            (curve[inner] - curve[1]) / (inner - 1),
            (curve[best[j]] - curve[inner]) / (best[j] - inner),
        )
        bend[j] = inner[int(np.argmax(np.abs(below_it - above_it)))]
    return Anchors(worst, best, reference, bend, np.nan_to_num(np.asarray(share, float)))


def sides(effect: np.ndarray, at: Anchors) -> tuple[np.ndarray, np.ndarray]:
    """Return reward and penalty on the latent scale, each (draw, attribute)."""
    place = np.arange(effect.shape[1])
    middle = effect[:, place, at.reference]
    return effect[:, place, at.best] - middle, middle - effect[:, place, at.worst]


def slopes(effect: np.ndarray, at: Anchors) -> tuple[np.ndarray, np.ndarray]:
    """Return the slopes per code below and above the bend, each (draw, attribute), of the closest broken line."""
    below, above = np.zeros((2, *effect.shape[:2]))
    for j in np.flatnonzero(at.two_sided):
        code = np.arange(1, at.best[j] + 1)
        away = code - at.bend[j]
        line = np.c_[np.ones(len(code)), np.minimum(away, 0), np.maximum(away, 0)]
        weight = at.share[j, code] + _RARE
        _, below[:, j], above[:, j] = (
            np.linalg.solve(line.T @ (weight[:, None] * line), line.T * weight) @ effect[:, j, code].T
        )
    return below, above


def kinds(effect: np.ndarray, at: Anchors, *, worth: np.ndarray, practical: float) -> np.ndarray:
    """Say which kind each attribute is in each draw.

    Parameters
    ----------
    effect : array (draw, attribute, level)
    at : Anchors
    worth : array (draw, attribute)
        The larger of reward and penalty in the units of the report.
    practical : float
        Smallest side worth acting on, in the same units.

    Returns
    -------
    bool array (draw, attribute, kind)
        Exactly one of `KINDS` is true.
    """
    below, above = slopes(effect, at)
    way = np.where(below + above < 0, -1.0, 1.0)  # where a higher code is worse, the loss lies above the bend
    loss = np.clip(way * np.where(way > 0, below, above), 0, None)
    gain = np.clip(way * np.where(way > 0, above, below), 0, None)
    lean = np.divide(loss, loss + gain, out=np.full_like(loss, 0.5), where=loss + gain > 0)
    idle = np.abs(worth) < practical
    must_be, delighter = ~idle & (lean >= MOST), ~idle & (lean <= 1 - MOST)
    return np.stack([must_be, ~idle & ~must_be & ~delighter, delighter, idle], axis=-1)


def call(chances: np.ndarray) -> list[str]:
    """Return what each attribute (attribute, kind) is called: a kind of probability `SURE`, else nothing."""
    return [KINDS[int(row.argmax())] if row.max() >= SURE else "" for row in chances]
