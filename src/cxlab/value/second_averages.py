"""What a hazard means: the probability of a second purchase, averaged over the customers that there are."""

from __future__ import annotations

import numpy as np

from cxlab.value.second_spells import EDGES, SecondData


class Averages:
    """Probabilities under draws of base (draw, bin) and effects (draw, level) within some weeks."""

    def __init__(self, base: np.ndarray, effect: np.ndarray, data: SecondData, weeks: int) -> None:
        self.base, self.effect, self.data = base, effect, data
        self.week = np.arange(weeks)
        self.bins = np.searchsorted(EDGES, self.week, side="right") - 1
        self.begins = [_by_level(data.begins[j], data.mix[:, j]) for j in range(len(data.features))]
        self.own = [
            _by_level(effect[:, p.start - data.steps : p.stop - data.steps], data.mix[:, j])
            for j, p in enumerate(data.places)
        ]

    def chance(self, feature: int = -1, level: int = -1) -> np.ndarray:
        """Return the probability (draw,) with one feature set to a level for everybody, or to nothing."""
        stay = np.zeros((len(self.base), len(self.data.mix)))
        for w in self.week:
            eta = np.repeat(self.base[:, [self.bins[w]]], len(self.data.mix), axis=1)
            for j, values in enumerate(self.own):
                if j != feature:
                    eta = eta + values * (self.begins[j] <= w)
                elif level >= 0 and self.data.begins[j][level] <= w:
                    eta = eta + self.effect[:, [self.data.places[j].start - self.data.steps + level]]
            stay -= np.logaddexp(0, eta)
        return np.asarray(-np.expm1(stay).mean(axis=1))

    def over_others(self, feature: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the probability of each level of a feature, and that minus the others', weighted by customers."""
        n = self.data.n[feature].astype(float) + 1e-9
        each = [self.chance(feature, i) for i in range(len(n))]
        if len(each) == 1:  # against those of whom nothing is known
            return each, [each[0] - self.chance(feature, -1)]
        values = np.column_stack(each)
        over = [values[:, i] - np.delete(values, i, axis=1) @ (np.delete(n, i) / np.delete(n, i).sum())
                for i in range(len(n))]  # fmt: skip
        return each, over


def _by_level(values: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Values (.., level) of customers by their level, 0 where there is none."""
    more = np.concatenate([values, np.zeros((*values.shape[:-1], 1))], axis=-1)
    return np.asarray(np.where(code >= 0, more[..., code], 0.0))
