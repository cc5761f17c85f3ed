r"""Exact draws of the satisfaction model without a Markov chain: scales, then effects and cuts, then cells.

The posterior is nested, and each step is nearly normal given the one before, while the whole is not: a scale that may
be close to zero bends everything below it. So

1. scales are drawn from their approximate marginal posterior (normal likelihood for what lies below, expanded around
   its mode at several sds of the cells), by importance resampling in the few dimensions they have;
2. effects, log-scales and cuts given the scales from the t with the matching mean and precision;
3. cells given all of that: each has a smooth posterior of one dimension, near a normal bent to its skewness;

and each whole draw is weighted by the exact joint density. The weights are smoothed and judged by Pareto's k-hat, and
draws are dealt out by weight. A scale stands as z with scale = prior sd x half-normal quantile of z's own probability,
so its prior is a standard normal.

Below, theta is (effects in logits; zero-sum contrasts of the log-scales; raw cuts: the middle one and the log gaps,
measured from the pooled answers), and s is the sd of the cells.

References
----------
Rue, Martino and Chopin (2009), Approximate Bayesian inference for latent Gaussian models,
doi:10.1111/j.1467-9868.2008.00700.x.
Tierney and Kadane (1986), Accurate approximations for posterior moments, doi:10.1080/01621459.1986.10478240.
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, doi:10.48550/arXiv.1507.02646.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cxlab.inference.importance_sampling import resampled

NODES: Final = 9  # sds of the cells at which the likelihood is expanded
REACH: Final = 5.0  # sds of z from the middle to the farthest of them: beyond it the nearest one stands in
NEAR: Final = 0.9  # sd of z from which down cubic splines join them, above it straight lines
LOWEST: Final = 6.0  # z from which down a scale is zero for all purposes
TAILS: Final = 5.0  # degrees of freedom of the scales' proposal
EXPANSIONS: Final = 3  # each around the scales that the one before found
ROUNDS: Final = 2  # of adapting that proposal
POOL: Final = 1200  # scales proposed; each is taken as often as its weight says
MORE: Final = 1.25  # proposals for each draw wanted
CHUNK: Final = 20_000  # cells x proposals worked on at once: they stay in the processor's cache
STEPS: Final = 50  # Newton steps of the cells, at most
BEND: Final = 0.6  # largest skewness of a cell's proposal


@dataclass(frozen=True)
class Cells:
    """What the sampler is given: cells that all have answers.

    Attributes
    ----------
    counts : array, shape (M, B)
        Answers by cell and block of codes.
    design : array, shape (M, E)
    scale_of : array of int, shape (E,)
        Place of each column's scale in `scale_sd`, 1 or more.
    scale_sd : array, shape (S,)
        Half-normal sds of the scales, logits; the first is that of the cells.
    shape : array, shape (B,)
        Dirichlet's weights of the blocks at eta = 0, in answers.
    member : array, shape (M, G)
        Ones where a cell belongs to a scale group.
    spread : array, shape (G, G - 1)
        Zero-sum contrasts of the groups' log-scales times their prior sd.
    """

    counts: np.ndarray
    design: np.ndarray
    scale_of: np.ndarray
    scale_sd: np.ndarray
    shape: np.ndarray
    member: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class Draws:
    """Draws of all parameters, dealt out by weight.

    Attributes
    ----------
    scale, effect, log_scale, cut, eta : arrays, shapes (n, S), (n, E), (n, G), (n, B - 1), (n, M)
        Logits; eta of 32 bits, since they are many.
    khat : float
        Shape of the weights' tail; below .7 they can be trusted.
    ess : float
        Effective number of the proposals.
    """

    scale: np.ndarray
    effect: np.ndarray
    log_scale: np.ndarray
    cut: np.ndarray
    eta: np.ndarray
    khat: float
    ess: float


@dataclass(frozen=True)
class Named:
    """Parts of points theta: effects (m, E), log-scales (m, G), cuts (m, B - 1), gaps between cuts (m, B - 2)."""

    effect: np.ndarray
    log_scale: np.ndarray
    cut: np.ndarray
    gap: np.ndarray


def draw(cells: Cells, *, wanted: int, seed: int, more: int = 1) -> Draws:
    """Draw from the posterior.

    Parameters
    ----------
    cells : Cells
    wanted, seed : int
        Number of draws, and their seed.
    more : int
        Times the usual number of proposals.
    """
    random = np.random.default_rng(seed)
    if cells.counts.shape[1] == 1:
        return _unmoved(cells, wanted, random)
    marginal = Marginal(cells)
    size = len(cells.scale_sd)
    middle, cov, begin = np.full(size, -0.3), np.eye(size), np.zeros(marginal.size)
    for _ in range(EXPANSIONS):
        spread, around = float(np.sqrt(cov[0, 0])), np.clip(middle, -LOWEST, LOWEST)
        expansion = _Expansion(marginal, around, spread=spread, begin=begin)
        begin = expansion.theta
        middle, cov = _around(expansion, middle, cov, random)

    m = int(np.ceil(MORE * wanted * more))
    pool, log_q = _students(middle, cov, TAILS, POOL, random)
    height = expansion.height(pool)
    times = np.bincount(resampled(height - log_q, wanted=m, random=random)[1], minlength=len(pool))
    z, height = np.repeat(pool, times, axis=0), np.repeat(height, times)
    theta, log_q = expansion.thetas(pool[times > 0], times[times > 0], random)
    scale = expansion.scales(z)
    s_at = float(expansion.scales(middle[None])[0, 0])
    eta, ratio = marginal.weigh(theta, scale[:, 0], at=expansion.theta, s_at=s_at, random=random)
    sd = scale[:, cells.scale_of]
    target = ratio - 0.5 * (z**2).sum(axis=1) - 0.5 * ((theta[:, : marginal.effects] / sd) ** 2).sum(axis=1)
    target -= np.log(sd).sum(axis=1)
    log_weight = target - height - log_q
    log_weight[~np.isfinite(log_weight)] = -np.inf
    weight, chosen, khat = resampled(log_weight, wanted=wanted, random=random)
    named = marginal.named(theta[chosen])
    ess = 1 / float((weight**2).sum())
    return Draws(scale[chosen], named.effect, named.log_scale, named.cut, eta[chosen], khat, ess)


def _unmoved(cells: Cells, wanted: int, random: np.random.Generator) -> Draws:
    """Everybody gave the same answer: nothing is learned of scales and effects, so they are drawn from the prior."""
    scale = np.abs(random.standard_normal((wanted, len(cells.scale_sd)))) * cells.scale_sd
    effect = random.standard_normal((wanted, len(cells.scale_of))) * scale[:, cells.scale_of]
    own = random.standard_normal((wanted, len(cells.design))) * scale[:, :1]
    log_scale = random.standard_normal((wanted, cells.spread.shape[1])) @ cells.spread.T
    eta = (effect @ cells.design.T + own).astype(np.float32)
    return Draws(scale, effect, log_scale, np.empty((wanted, 0)), eta, 0.0, float(wanted))


class Marginal:
    """Log-likelihood of theta and s with the cells integrated out by Laplace, and weighted draws of the cells.

    The priors of cuts and log-scales are in it; those of effects are not.
    """

    def __init__(self, cells: Cells) -> None:
        self.cells, self.design, self.contrasts, self.member = cells, cells.design, cells.spread, cells.member
        self.both, self.above = cells.counts[:, :-1] + cells.counts[:, 1:], cells.counts[:, 1:]
        self.inner = (self.member.T @ cells.counts)[:, 1:-1]
        self.location, self.width, self.bend, self.steps = _cut_frame(cells.counts.sum(axis=0) + cells.shape)
        self.prior_both, self.prior_above = cells.shape[:-1] + cells.shape[1:], cells.shape[1:]
        self.spread = self.member @ self.contrasts  # of each cell's log-scale in the contrasts
        self.effects, self.spreads, self.cuts = self.design.shape[1], self.contrasts.shape[1], len(self.steps)
        self.size = self.effects + self.spreads + self.cuts
        self.total_above = self.above.sum(axis=1)
        self.eta = np.zeros(len(self.both))  # where the search of the cells begins: those found last

    def named(self, theta: np.ndarray) -> Named:
        """Name the parts of points, shape (m, d)."""
        effect, contrast, raw = np.split(theta, [self.effects, self.effects + self.spreads], axis=1)
        gap = np.exp(self.location[1:] - self.width[1:] * np.expm1(-self.bend * raw[:, 1:]) / self.bend)
        cut = self.location[0] + self.width[0] * raw[:, :1] + gap @ self.steps.T
        return Named(effect, contrast @ self.contrasts.T, cut, gap)

    def priors(self, theta: np.ndarray, named: Named) -> np.ndarray:
        """Log priors of cuts and log-scales, and what the answers say of the gaps alone; shape (m,)."""
        raw = theta[:, self.effects + self.spreads :]
        contrast = theta[:, self.effects : self.effects + self.spreads]
        out = ((self.cells.shape[1:-1] - 1.0) * _log1mexp(named.gap) + np.log(named.gap)).sum(axis=1)
        out -= raw[:, 1:] @ self.bend
        out -= (self.prior_both * np.logaddexp(0.0, -named.cut) + self.prior_above * named.cut).sum(axis=1)
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
        value = -(self.both * _softplus(-z) + self.above * z).sum()
        value += -0.5 * ((s * score) ** 2).sum() - 0.5 * np.log(d).sum() + float(self.priors(theta[None], named)[0])

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
        d_cut = d_cut + self.prior_both / (1 + np.exp(cut)) - self.prior_above
        d_gap = self.steps.T @ d_cut + (self.cells.shape[1:-1] - 1.0) / np.expm1(gap)
        for g, inner in enumerate(self.inner):
            shrink = np.exp(-named.log_scale[0, g])
            own = inner * shrink / np.expm1(gap * shrink)
            d_gap += own
            by_group[g] -= float((own * gap).sum())
        contrast = theta[self.effects : self.effects + self.spreads]
        slope_cut = np.concatenate([[d_cut.sum()], d_gap * gap + 1.0]) * self._turned(theta)
        slope_cut[1:] -= self.bend
        return float(value), np.concatenate([self.design.T @ d_main, by_group @ self.contrasts - contrast, slope_cut])

    def precision(self, theta: np.ndarray, s: float) -> np.ndarray:
        """Curvature of the cells' part in theta, shape (d, d): with the cells' own freedom taken off."""
        named = self.named(theta[None])
        cut, gap = named.cut[0], named.gap[0]
        narrow = np.exp(-self.member @ named.log_scale[0])
        z, p, w, _, information = self._settle(self.design @ named.effect[0], s, cut, narrow)
        turn = np.concatenate([np.ones((self.cuts, 1)), self.steps * gap], axis=1) * self._turned(theta)
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

    def _turned(self, theta: np.ndarray) -> np.ndarray:
        """How the middle cut and the log gaps move with the raw cuts, at a point (d,)."""
        raw = theta[self.effects + self.spreads :]
        return self.width * np.exp(-np.concatenate([[0.0], self.bend]) * raw)

    def _settle(
        self, main: np.ndarray, s: float, cut: np.ndarray, narrow: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Move the cells to their modes; return z, P(above), its information, score and information by cell."""
        eta = self.eta
        for _ in range(STEPS):
            z = narrow[:, None] * (cut - eta[:, None])
            p = _logistic(-z)
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
            Cells, of 32 bits.
        log_ratio : array, shape (m,)
            Log density of answers, cells, cuts and log-scales, less that of proposing the cells.
        """
        self(at, s_at)
        middle, eta = self.named(at[None]), self.eta
        narrow = np.exp(-self.member @ middle.log_scale[0])
        p = _logistic(narrow[:, None] * (eta[:, None] - middle.cut[0]))
        pull = narrow[:, None] ** 2 * self.both * p * (1 - p)  # how a cell follows each cut
        known = pull.sum(axis=1)
        wanted = narrow * (self.above - self.both * p).sum(axis=1) + known * eta
        m, cells = len(theta), len(self.both)
        drawn, ratio = np.empty((m, cells), np.float32), np.empty(m)
        for begin in range(0, m, max(1, CHUNK // cells)):
            part = slice(begin, begin + max(1, CHUNK // cells))
            named = self.named(theta[part])
            trust = s[part, None] ** -2.0
            begun = named.effect @ self.design.T * trust + wanted + (named.cut - middle.cut) @ pull.T
            drawn[part], own = self._propose(named, begun / (trust + known), trust, random)
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
            value -= self.both[:, j] * _softplus(-z) + self.above[:, j] * z
        return np.asarray(value.sum(axis=1))

    def _slopes(
        self, eta: np.ndarray, cut: np.ndarray, narrow: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First derivative of the cells' log-likelihoods, and the negatives of the second and third."""
        score = np.broadcast_to(self.total_above, eta.shape).copy()
        information, third = np.zeros_like(eta), np.zeros_like(eta)
        for j in range(self.cuts):
            p = _logistic(narrow * (eta - cut[:, j, None]))
            answered = self.both[:, j] * p
            score -= answered
            answered *= 1 - p
            information += answered
            third += answered * (1 - 2 * p)
        return score * narrow, information * narrow**2, third * narrow**3


class _Expansion:
    """Normal approximation of everything below the scales, for any scales."""

    def __init__(self, marginal: Marginal, z: np.ndarray, *, spread: float, begin: np.ndarray) -> None:
        from scipy.interpolate import make_interp_spline

        self.marginal, self.scale_sd, self.scale_of = marginal, marginal.cells.scale_sd, marginal.cells.scale_of
        self.theta = self._mode(z, begin)
        edge = self._edge(self.theta, float(self.scales(z[None])[0, 0]))
        self.grid = np.linspace(max(z[0] - REACH * spread, -LOWEST), z[0] + REACH * spread, NODES)
        values, slopes, curves = [], [], []
        for s in self.scale_sd[0] * half_normal(self.grid):
            value, slope = marginal(self.theta, float(s))
            values.append(value)
            slopes.append(slope)
            curves.append(marginal.precision(self.theta, float(s)) + edge)
        # from afar nothing may overshoot: a mean of curvatures is a curvature
        order = 1 if spread > NEAR else 3
        self.value, self.slope, self.curve = (
            make_interp_spline(self.grid, np.array(at_nodes), k=order) for at_nodes in (values, slopes, curves)
        )

    def scales(self, z: np.ndarray) -> np.ndarray:
        """Scales in logits, shape (m, S)."""
        return self.scale_sd * half_normal(z)

    def _trust(self, z: np.ndarray) -> np.ndarray:
        """Prior precision of theta beyond what is in the likelihood, shape (m, d)."""
        out = np.zeros((len(z), self.marginal.size))
        out[:, : self.marginal.effects] = self.scales(z)[:, self.scale_of] ** -2.0
        return out

    def _mode(self, z: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Theta that is most probable given the scales, by Newton's method with shortened steps."""
        trust = self._trust(z[None])[0]
        s = float(self.scales(z[None])[0, 0])

        def height(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope = self.marginal(x, s)
            return value - 0.5 * float(trust @ x**2), slope - trust * x

        value, slope = height(theta)
        ridge = np.where(np.arange(len(theta)) < self.marginal.effects, 0.0, 0.05)  # raw cuts are known to about one
        edge = np.zeros((len(theta), len(theta)))
        for _ in range(60):
            curve = self.marginal.precision(theta, s) + np.diag(trust + ridge + 1e-9) + edge
            step = np.linalg.solve(curve, slope)
            if not np.isfinite(step).all() or slope @ step <= 0:
                step = slope / (np.abs(np.diag(curve)) + 1.0)
            gain = slope @ step
            if gain < 1e-4:  # the point is an expansion's, not an estimate: a hundredth of an sd will do
                break
            if gain < 10.0 and not edge.any():
                edge = self._edge(theta, s)  # near the mode the gaps' own curvature decides
                continue
            step *= min(1.0, 3.0 / float(np.abs(step).max()))
            for shrink in (1.0, 0.5, 0.25, 0.1, 0.02, 0.002):
                new, new_slope = height(theta + shrink * step)
                if np.isfinite(new) and new > value - 1e-9 * abs(value):
                    break
            else:
                break
            theta, value, slope = theta + shrink * step, new, new_slope
        return theta

    def _edge(self, theta: np.ndarray, s: float) -> np.ndarray:
        """What `Marginal.precision` leaves out, in the rows and columns of cuts and log-scales, by differences."""
        marginal, width = self.marginal, 1e-4
        known = marginal.precision(theta, s)
        edge = np.zeros_like(known)
        for i in range(marginal.effects, marginal.size):
            shift = np.zeros(marginal.size)
            shift[i] = width
            up, down = marginal(theta + shift, s)[1], marginal(theta - shift, s)[1]
            edge[i] = (down - up) / (2 * width) - known[i]
        own = slice(marginal.effects, marginal.size)
        edge[:, own] = edge[own].T
        edge[own, own] = (edge[own, own] + edge[own, own].T) / 2
        return edge

    def given(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log marginal of scales (m,); of theta given them the Cholesky factor of the precision, and factor' mean."""
        at, trust, size = np.clip(z[:, 0], self.grid[0], self.grid[-1]), self._trust(z), self.marginal.size
        i = np.arange(size)
        bordered = np.zeros((len(z), size + 1, size + 1))  # its last row becomes what solving by the factor gives
        bordered[:, :size, :size] = self.curve(at)
        bordered[:, i, i] += trust
        bordered[:, size, :size] = self.slope(at) - trust * self.theta
        bordered[:, size, size] = 1e18
        factor = _cholesky(bordered)
        factor, pulled = factor[:, :size, :size], factor[:, size, :size]
        value = self.value(at) - 0.5 * (z**2).sum(axis=1) + 0.5 * np.log(trust[:, : self.marginal.effects]).sum(axis=1)
        value += 0.5 * (pulled**2).sum(axis=1) - 0.5 * (trust * self.theta**2).sum(axis=1)
        return value - np.log(factor[:, i, i]).sum(axis=1), factor, pulled

    def height(self, z: np.ndarray) -> np.ndarray:
        """Approximate log marginal density of scales, shape (m,)."""
        return np.concatenate([self.given(part)[0] for part in self._parts(z)])

    def thetas(self, z: np.ndarray, times: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Theta given each scale, so many times: points (m, d) of a t, and their log densities (m,)."""
        from scipy.linalg.lapack import dtrtrs

        d, m = self.marginal.size, int(times.sum())
        degrees = max(20.0, float(d))
        normal, stretch = random.standard_normal((m, d)), random.chisquare(degrees, m) / degrees
        log_q = -0.5 * (degrees + d) * np.log1p((normal**2).sum(axis=1) / stretch / degrees)
        away, ends = normal / np.sqrt(stretch)[:, None], np.cumsum(times)
        place = 0
        for part in self._parts(z):
            for factor, pulled in zip(*self.given(part)[1:], strict=True):
                rows = slice(ends[place] - times[place], ends[place])
                away[rows] = dtrtrs(factor.T, (away[rows] + pulled).T)[0].T
                log_q[rows] += np.log(np.diag(factor)).sum()
                place += 1
        return self.theta + away, log_q

    def _parts(self, z: np.ndarray) -> list[np.ndarray]:
        """Scales in parts whose precisions take some ten megabytes."""
        return np.array_split(z, max(1, len(z) * self.marginal.size**2 // 1_000_000))


def half_normal(z: np.ndarray) -> np.ndarray:
    """Half-normal quantile of a standard normal's own probability: a scale whose prior is normal in z."""
    from scipy.special import log_ndtr, ndtri_exp

    return np.asarray(np.maximum(-ndtri_exp(log_ndtr(-z) - np.log(2.0)), 1e-6))  # P(|x| > g) = P(x > z)


def _around(
    expansion: _Expansion, middle: np.ndarray, cov: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and widened covariance of the scales, in rounds of importance sampling."""
    size = len(middle)
    n = 100 + 40 * size
    for _ in range(ROUNDS):
        points, log_q = _students(middle, cov, TAILS, n, random)
        height = expansion.height(points) - log_q
        temper = 1.0  # a few points that carry all weight say little of the covariance
        while temper > 0.05:
            weight = np.exp(temper * (height - height.max()))
            weight /= weight.sum()
            if 1 / (weight**2).sum() > 10 * (size + 1):
                break
            temper *= 0.7
        middle = weight @ points
        cov = 1.2 * (points - middle).T @ ((points - middle) * weight[:, None]) + 1e-4 * np.eye(size)
    return middle, cov


def _students(
    middle: np.ndarray, cov: np.ndarray, degrees: float, n: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, S) of a Student t and their log densities (n,), up to a constant."""
    normal = random.standard_normal((n, len(middle)))
    stretch = random.chisquare(degrees, n) / degrees
    points = middle + (normal / np.sqrt(stretch)[:, None]) @ np.linalg.cholesky(cov).T
    log_q = -0.5 * (degrees + len(middle)) * np.log1p((normal**2).sum(axis=1) / stretch / degrees)
    return np.clip(points, -8.0, 8.0), log_q


def _cholesky(curve: np.ndarray) -> np.ndarray:
    """Cholesky factors; where the expansion is not convex, its eigenvalues are lifted."""
    try:
        return np.linalg.cholesky(curve)
    except np.linalg.LinAlgError:
        inner = curve[:, :-1, :-1]
        sizes, directions = np.linalg.eigh(inner)
        sizes = np.maximum(sizes, 1e-6 * sizes[:, -1:])
        lifted = curve.copy()
        lifted[:, :-1, :-1] = (directions * sizes[:, None, :]) @ np.swapaxes(directions, 1, 2)
        return np.linalg.cholesky(lifted)


def _cut_frame(total: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where the raw cuts lie by the pooled answers: location and spread of (middle cut, log gaps), bend, how gaps sum.

    A gap that few answers fill has a log-gamma's long lower tail: its raw coordinate bends to that skewness.
    """
    n = total.sum()
    below = np.cumsum(total)[:-1] / n
    cut = np.log(below) - np.log1p(-below)
    gap = np.diff(cut)
    middle = int(np.abs(below - 0.5).argmin())
    steps = np.zeros((len(cut), len(gap)))
    for j in range(len(cut)):
        steps[j, middle:j] = 1.0
        steps[j, j:middle] = -1.0
    location = np.concatenate([[cut[middle]], np.log(gap)])
    information = np.concatenate([[n * below[middle] * (1 - below[middle])], total[1:-1]])
    return location, 1.0 / np.sqrt(1.0 + information), 1.0 / (3.0 * np.sqrt(total[1:-1])), steps


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0.0))


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(np.minimum(-x, 500.0))))


def _log1mexp(x: np.ndarray) -> np.ndarray:
    """log(1 - exp(-x)) of positive x."""
    return np.log(-np.expm1(-np.clip(x, 1e-300, 500.0)))
