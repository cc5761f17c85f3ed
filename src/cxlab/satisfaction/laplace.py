r"""The likelihood of the satisfaction model with its cells integrated out, and weighted draws of the cells.

Given scales, effects, log-scales and cuts the cells are independent, and each has a smooth posterior of one dimension.
So the search and the proposals of `nested` see the cells only through Laplace's approximation, and `weigh` then
proposes every cell from a normal bent to its skewness and gives the weight that makes the draw exact.

Below, theta is (effects in logits; zero-sum contrasts of the log-scales; raw cuts: the middle one and the log gaps,
measured from the pooled answers as in `pymc_model`), and s is the sd of the cells.

References
----------
Tierney and Kadane (1986), Accurate approximations for posterior moments, doi:10.1080/01621459.1986.10478240.
Rue, Martino and Chopin (2009), Approximate Bayesian inference for latent Gaussian models,
doi:10.1111/j.1467-9868.2008.00700.x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

CHUNK: Final = 20_000  # cells x proposals worked on at once: they stay in the processor's cache
STEPS: Final = 50  # Newton steps of the cells, at most
BEND: Final = 0.6  # largest skewness of a cell's proposal


@dataclass(frozen=True)
class Named:
    """Parts of points theta.

    Attributes
    ----------
    effect : array, shape (m, E)
    log_scale : array, shape (m, G)
    cut : array, shape (m, K - 1)
    gap : array, shape (m, K - 2)
        From each cut to the next.
    """

    effect: np.ndarray
    log_scale: np.ndarray
    cut: np.ndarray
    gap: np.ndarray


class Marginal:
    """Log-likelihood of theta and s, with the priors of cuts and log-scales in it; those of effects are not.

    Parameters
    ----------
    arrays : dict of str to array
        From `pymc_model.pack`, of cells that all have answers.
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.both, self.above, self.design = arrays["both"], arrays["above"], arrays["design"]
        self.steps, self.frame, self.cut_prior = arrays["cut_steps"], arrays["cut_frame"], arrays["cut_prior"]
        self.member, self.inner, self.contrasts = arrays["group_of"], arrays["group"], arrays["spread"]
        self.spread = self.member @ self.contrasts  # of each cell's log-scale in the contrasts
        self.effects, self.spreads, self.cuts = self.design.shape[1], self.contrasts.shape[1], len(self.steps)
        self.size = self.effects + self.spreads + self.cuts
        self.total_above = self.above.sum(axis=1)
        self.eta = np.zeros(len(self.both))  # where the search of the cells begins: those found last

    def named(self, theta: np.ndarray) -> Named:
        """Name the parts of points, shape (m, d)."""
        effect, contrast, raw = np.split(theta, [self.effects, self.effects + self.spreads], axis=1)
        moved = self.frame[0] + self.frame[1] * raw
        gap = np.exp(moved[:, 1:])
        return Named(effect, contrast @ self.contrasts.T, moved[:, :1] + gap @ self.steps.T, gap)

    def priors(self, theta: np.ndarray, named: Named) -> np.ndarray:
        """Log priors of cuts and log-scales, and what the answers say of the gaps alone; shape (m,)."""
        raw = theta[:, self.effects + self.spreads :]
        contrast = theta[:, self.effects : self.effects + self.spreads]
        both, above, between = self.cut_prior
        log_gap = self.frame[0][1:] + self.frame[1][1:] * raw[:, 1:]
        out = (between[1:] * _log1mexp(named.gap) + log_gap).sum(axis=1)
        out -= (both * np.logaddexp(0.0, -named.cut) + above * named.cut).sum(axis=1)
        out -= 0.5 * (contrast**2).sum(axis=1)
        for g, inner in enumerate(self.inner):
            out += _log1mexp(named.gap * np.exp(-named.log_scale[:, g : g + 1])) @ inner
        return np.asarray(out)

    def __call__(self, theta: np.ndarray, s: float) -> tuple[float, np.ndarray]:
        """Log-likelihood with those priors at a point (d,), up to a constant, and its gradient in theta."""
        named = self.named(theta[None])
        cut, gap, main = named.cut[0], named.gap[0], self.design @ named.effect[0]
        narrow = np.exp(-self.member @ named.log_scale[0])
        z, p, w, score, information = self._settle(main, s, cut, narrow)
        d = 1 + s**2 * information
        softplus = np.log1p(np.exp(-np.abs(z))) + np.maximum(-z, 0.0)
        value = -(self.both * softplus + self.above * z).sum() - 0.5 * ((s * score) ** 2).sum() - 0.5 * np.log(d).sum()
        value += float(self.priors(theta[None], named)[0])

        t = w * (1 - 2 * p)
        third = narrow**3 * t.sum(axis=1)
        missed = self.both * p - self.above
        half = 0.5 * s**2 / d
        d_main = score - half * third / d
        along = (third * s**2 * narrow**2 / d)[:, None] * w - narrow[:, None] ** 3 * t
        d_cut = (narrow[:, None] * missed - half[:, None] * along).sum(axis=0)
        moved = s**2 * (-score - narrow * (w * z).sum(axis=1)) / d
        d_spread = -(z * missed).sum(axis=1)
        d_spread -= half * (-2 * information + narrow**2 * (t * z).sum(axis=1) + third * moved)
        by_group = self.member.T @ d_spread
        both, above, between = self.cut_prior
        d_cut = d_cut + both / (1 + np.exp(cut)) - above
        d_gap = self.steps.T @ d_cut + between[1:] / np.expm1(gap)
        for g, inner in enumerate(self.inner):
            shrink = np.exp(-named.log_scale[0, g])
            own = inner * shrink / np.expm1(gap * shrink)
            d_gap += own
            by_group[g] -= float((own * gap).sum())
        contrast = theta[self.effects : self.effects + self.spreads]
        slope_cut = np.concatenate([[d_cut.sum()], d_gap * gap + 1.0]) * self.frame[1]
        slopes = [self.design.T @ d_main, by_group @ self.contrasts - contrast, slope_cut]
        return float(value), np.concatenate(slopes)

    def precision(self, theta: np.ndarray, s: float) -> np.ndarray:
        """Curvature of the cells' part in theta, shape (d, d): with the cells' own freedom taken off."""
        named = self.named(theta[None])
        cut, gap = named.cut[0], named.gap[0]
        narrow = np.exp(-self.member @ named.log_scale[0])
        z, p, w, _, information = self._settle(self.design @ named.effect[0], s, cut, narrow)
        turn = np.concatenate([np.ones((self.cuts, 1)), self.steps * gap], axis=1) * self.frame[1]  # cuts by raw cuts
        pull = narrow[:, None] ** 2 * w
        missed = self.both * p - self.above
        with_spread = narrow * (w * z - missed).sum(axis=1)
        e, r = self.effects, self.effects + self.spreads
        curve = np.zeros((self.size, self.size))
        curve[:e, :e] = self.design.T @ (information[:, None] * self.design)
        curve[:e, r:] = -self.design.T @ pull @ turn
        curve[r:, r:] = turn.T @ (turn * pull.sum(axis=0)[:, None])
        curve[:e, e:r] = self.design.T @ (with_spread[:, None] * self.spread)
        curve[e:r, e:r] = self.spread.T @ ((w * z**2 - z * missed).sum(axis=1)[:, None] * self.spread)
        curve[e:r, r:] = self.spread.T @ (narrow[:, None] * (missed - z * w)) @ turn
        lower = np.tril_indices(self.size, -1)
        curve[lower] = curve.T[lower]
        by_eta = np.concatenate(
            [information[:, None] * self.design, with_spread[:, None] * self.spread, -pull @ turn], axis=1
        )
        return np.asarray(curve - by_eta.T @ ((s**2 / (1 + s**2 * information))[:, None] * by_eta))

    def _settle(
        self, main: np.ndarray, s: float, cut: np.ndarray, narrow: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Move the cells to their modes; return z, P(above), its information, score and information by cell."""
        eta = self.eta
        for _ in range(STEPS):
            z = narrow[:, None] * (cut - eta[:, None])
            p = 1.0 / (1.0 + np.exp(np.clip(z, -500.0, 500.0)))
            w = self.both * p * (1 - p)
            score, information = narrow * (self.above - self.both * p).sum(axis=1), narrow**2 * w.sum(axis=1)
            step = (score * s**2 - (eta - main)) / (1 + s**2 * information)
            eta = eta + np.clip(step, -2.0, 2.0)
            if np.abs(step).max() < 1e-9:
                break
        self.eta = eta
        return z, p, w, score, information

    def weigh(
        self, theta: np.ndarray, s: np.ndarray, *, at: np.ndarray, s_at: float, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Propose the cells for each point and weigh the pair.

        Parameters
        ----------
        theta : array, shape (m, d)
        s : array, shape (m,)
            Sd of the cells, logits.
        at, s_at
            A point (d,) amid them, and its sd: where the cells' likelihoods are expanded to begin with.
        random : Generator

        Returns
        -------
        eta : array, shape (m, M)
            Cells; of 32 bits, since they are many.
        log_ratio : array, shape (m,)
            Log density of answers, cells, cuts and log-scales, less that of proposing the cells.
        """
        self(at, s_at)
        middle, eta = self.named(at[None]), self.eta
        narrow = np.exp(-self.member @ middle.log_scale[0])
        p = 1.0 / (1.0 + np.exp(np.clip(narrow[:, None] * (middle.cut[0] - eta[:, None]), -500.0, 500.0)))
        pull = narrow[:, None] ** 2 * self.both * p * (1 - p)  # how a cell follows each cut
        known = pull.sum(axis=1)
        wanted = narrow * (self.above - self.both * p).sum(axis=1) + known * eta
        m, cells = len(theta), len(self.both)
        drawn, ratio = np.empty((m, cells), np.float32), np.empty(m)
        for begin in range(0, m, max(1, CHUNK // cells)):
            part = slice(begin, begin + max(1, CHUNK // cells))
            named = self.named(theta[part])
            trust = s[part, None] ** -2.0
            begun = (named.effect @ self.design.T * trust + wanted + (named.cut - middle.cut) @ pull.T) / (
                trust + known
            )
            drawn[part], own = self._propose(named, begun, trust, random)
            ratio[part] = own + self.priors(theta[part], named)
        return drawn, ratio

    def _propose(
        self, named: Named, eta: np.ndarray, trust: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        cut, main = named.cut, named.effect @ self.design.T
        narrow = np.exp(-named.log_scale @ self.member.T) if self.spreads else np.ones((1, 1))
        for _ in range(2 if self.spreads else 1):
            score, information, third = self._slopes(eta, cut, narrow)
            move = np.clip((score - (eta - main) * trust) / (trust + information), -1.0, 1.0)
            eta = eta + move
        sd = (trust + np.maximum(information + third * move, 0.5 * information)) ** -0.5
        bend = np.clip(-third * sd**3, -BEND, BEND)
        y = random.standard_normal(eta.shape)
        value = 0.5 * y**2 + np.log(sd) + np.log(np.abs(1 + bend * y / 3))
        eta = eta + sd * (y + bend * (y**2 / 6 + 1 / 3))
        return eta, value.sum(axis=1) + self.joint(named, eta, main, trust)

    def joint(self, named: Named, eta: np.ndarray, main: np.ndarray, trust: np.ndarray) -> np.ndarray:
        """Log density of answers and cells given the rest, shape (m,); what the gaps alone decide is in `priors`."""
        narrow = np.exp(-named.log_scale @ self.member.T) if self.spreads else np.ones((1, 1))
        value = -0.5 * (eta - main) ** 2 * trust + 0.5 * np.log(trust)
        for j in range(self.cuts):
            z = narrow * (named.cut[:, j, None] - eta)
            value -= self.both[:, j] * (np.log1p(np.exp(-np.abs(z))) + np.maximum(-z, 0.0)) + self.above[:, j] * z
        return np.asarray(value.sum(axis=1))

    def _slopes(
        self, eta: np.ndarray, cut: np.ndarray, narrow: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First derivative of the cells' log-likelihoods, and the negatives of the second and third."""
        score = np.broadcast_to(self.total_above, eta.shape).copy()
        information, third = np.zeros_like(eta), np.zeros_like(eta)
        for j in range(self.cuts):
            p = 1.0 / (1.0 + np.exp(np.minimum(narrow * (cut[:, j, None] - eta), 500.0)))
            answered = self.both[:, j] * p
            score -= answered
            answered *= 1 - p
            information += answered
            third += answered * (1 - 2 * p)
        return score * narrow, information * narrow**2, third * narrow**3


def _log1mexp(x: np.ndarray) -> np.ndarray:
    """log(1 - exp(-x)) of positive x."""
    return np.where(x > 0.7, np.log1p(-np.exp(-x)), np.log(-np.expm1(-np.maximum(x, 1e-300))))
