"""What the structural model sees: which latents there are, and answers as sufficient statistics by pattern.

A respondent enters through the pattern of the items answered: for each pattern and period the number of answers, their
means, and the scatter around them. That is all a normal likelihood needs, so its cost is that of the patterns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Final

import numpy as np

from cxlab.errors import ModelError, Problem, nearest

ALONE: Final = 0.9999  # reliability of an item that stands for its latent by itself: taken as it is
EXACT: Final = 40  # patterns whose likelihood is exact; those of fewer respondents enter completed
CHUNK: Final = 2048  # patterns worked on at once


@dataclass(frozen=True)
class Structure:
    """A structural model: latents in causal order, their items, the paths between them.

    Attributes
    ----------
    latents : tuple of str
        Names; K of them, each after those that move it.
    items : tuple of str
        Names of all items, block by block; J of them.
    block : tuple of int
        For each item the position of its latent.
    markers : tuple of int
        For each latent the position of the item whose loading is 1.
    paths : tuple of (int, int)
        Positions of the latents: from, to.
    reliability : tuple of float
        For each latent; used only where a single item measures it.
    target : str
        The latent that is the satisfaction index.
    """

    latents: tuple[str, ...]
    items: tuple[str, ...]
    block: tuple[int, ...]
    markers: tuple[int, ...]
    paths: tuple[tuple[int, int], ...]
    reliability: tuple[float, ...]
    target: str

    @cached_property
    def of_item(self) -> np.ndarray:
        """Position of each item's latent, shape (J,)."""
        return np.asarray(self.block, int)

    @cached_property
    def member(self) -> np.ndarray:
        """1 where an item shows a latent, shape (J, K)."""
        return np.eye(len(self.latents))[self.of_item]

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the latents from which and to which paths lead."""
        origin, to = np.array(self.paths, int).reshape(-1, 2).T
        return origin, to

    @cached_property
    def free(self) -> np.ndarray:
        """Positions of the items whose loading is estimated: all but the markers."""
        return np.setdiff1d(np.arange(len(self.items)), self.markers)

    @cached_property
    def noisy(self) -> np.ndarray:
        """Positions of the items whose residual is estimated: all but those that stand alone."""
        sizes = np.bincount(self.of_item, minlength=len(self.latents))
        return np.flatnonzero(sizes[self.of_item] > 1)

    @cached_property
    def residual(self) -> np.ndarray:
        """Residual variances of standardised items that are not estimated, shape (J,); 0 elsewhere."""
        fixed = np.zeros(len(self.items))
        alone = np.setdiff1d(np.arange(len(self.items)), self.noisy)
        fixed[alone] = 1.0 - np.minimum(np.asarray(self.reliability)[self.of_item[alone]], ALONE)
        return fixed

    @property
    def size(self) -> int:
        """Number of parameters of the covariance."""
        return len(self.paths) + len(self.free) + len(self.latents) + len(self.noisy)

    @property
    def names(self) -> list[str]:
        """Names of the parameters in the order of the unconstrained vector: paths, loadings, sds."""
        found = [f"path {self.latents[a]} -> {self.latents[b]}" for a, b in self.paths]
        found += [f"loading {self.items[j]}" for j in self.free]
        found += [f"sd {name}" for name in self.latents]
        return found + [f"residual sd {self.items[j]}" for j in self.noisy]

    def antecedents(self, latent: str) -> list[str]:
        """Latents from which a chain of paths leads to `latent`, in causal order."""
        wanted, found = {self.latents.index(latent)}, set()
        for a, b in sorted(self.paths, key=lambda p: -p[1]):
            if b in wanted:
                wanted.add(a)
                found.add(a)
        return [self.latents[k] for k in sorted(found)]

    def outcomes(self, latent: str) -> list[str]:
        """Latents to which a chain of paths leads from `latent`, in causal order."""
        return [name for name in self.latents if latent in self.antecedents(name)]


def structure(
    blocks: Mapping[str, Sequence[str]],
    paths: Mapping[str, Sequence[str]],
    *,
    target: str,
    markers: Mapping[str, str] | None = None,
    reliability: Mapping[str, float] | None = None,
) -> Structure:
    """Check a structural model and bring it into causal order.

    Parameters
    ----------
    blocks : mapping of latent to items
        At least two latents with one item or more each.
    paths : mapping of latent to those that move it
    target : str
        The latent that is the satisfaction index.
    markers : mapping of latent to item, optional
        Item whose loading is 1; by default the first one.
    reliability : mapping of latent to float, optional
        Share of a single item's variance that is its latent's; by default all of it.

    Raises
    ------
    ModelError
        With every problem: unknown names, circles, items used twice, latents without items, a target nothing moves.
    """
    names = list(blocks)
    problems = []
    if len(names) < 2:
        problems.append(Problem("a structural model needs two latents or more", value=", ".join(names)))
    for name, items in blocks.items():
        if not items:
            problems.append(Problem("a latent without items", where=name, todo="name its questions under `items`"))
    used = [item for items in blocks.values() for item in items]
    for item in dict.fromkeys(i for i in used if used.count(i) > 1):
        problems.append(Problem("an item is listed twice", value=item, todo="an item measures one latent"))
    for to, origins in paths.items():
        for name in [to, *origins]:
            if name not in blocks:
                what, near = "a path names no latent", nearest(name, names)
                problems.append(Problem(what, where=f"paths.{to}", value=name, allowed=", ".join(names), nearest=near))
        if len(set(origins)) < len(origins):
            problems.append(Problem("a path is listed twice", where=f"paths.{to}", value=", ".join(origins)))
    if target not in blocks:
        problems.append(
            Problem("the target is no latent", value=target, allowed=", ".join(names), nearest=nearest(target, names))
        )
    elif not paths.get(target):
        problems.append(Problem("no path leads to the target", where=f"paths.{target}", value=target))
    for name, item in (markers or {}).items():
        if item not in blocks.get(name, ()):
            allowed = ", ".join(blocks.get(name, ()))
            problems.append(Problem("the marker is no item of its latent", where=name, value=item, allowed=allowed))
    graph = {name: [o for o in paths.get(name, ()) if o in blocks] for name in names}
    order: list[str] = []
    try:
        sorter = TopologicalSorter(graph)
        sorter.prepare()
        while sorter.is_active():
            ready = sorted(sorter.get_ready(), key=names.index)
            order += ready
            sorter.done(*ready)
    except CycleError as error:
        loop = " -> ".join(reversed(error.args[1]))
        problems.append(Problem("the paths run in a circle", where="paths", value=loop, todo="drop one of them"))
    if problems:
        raise ModelError(problems)
    items = [item for name in order for item in blocks[name]]
    marked = [(markers or {}).get(name, blocks[name][0]) for name in order]
    pairs = [(order.index(a), order.index(b)) for b in order for a in sorted(paths.get(b, ()), key=order.index)]
    return Structure(
        latents=tuple(order),
        items=tuple(items),
        block=tuple(order.index(name) for name in order for _ in blocks[name]),
        markers=tuple(items.index(item) for item in marked),
        paths=tuple(pairs),
        reliability=tuple((reliability or {}).get(name, ALONE) for name in order),
        target=target,
    )


@dataclass(frozen=True)
class Patterns:
    """Sufficient statistics by pattern of missing answers, of standardised items.

    Attributes
    ----------
    seen : array, shape (P, J)
        1 where the item was answered.
    n : array, shape (P, T)
        Respondents (effective ones where there are weights) by pattern and period.
    mean : array, shape (P, T, J)
        Mean answers; 0 where there are none.
    scatter : array, shape (P, J, J)
        Sums of squares and products around the means of pattern and period; 0 where there are none.
    """

    seen: np.ndarray
    n: np.ndarray
    mean: np.ndarray
    scatter: np.ndarray


@dataclass(frozen=True)
class SemData:
    """What the model sees.

    Attributes
    ----------
    structure : Structure
    periods : tuple of str
        T labels with answers, in order.
    patterns : Patterns
        All patterns of missing answers.
    exact : Patterns
        The largest of them as they are; the rest completed, as if all items had been answered.
    complete : Patterns
        All answers completed by EM: one pattern, whose scatter includes what is uncertain of the missing.
    worst, best : array, shape (J,)
        Ends of each item's scale, in the order worst to best.
    centre, spread : array, shape (J,)
        Mean and sd used for standardising, on the scale of the codes.
    n_raw : array, shape (T,)
        Respondents.
    n_eff : array, shape (T,)
        Effective respondents; the same without weights.
    answered : array, shape (T, J)
        Respondents who answered each item.
    weighting : str
        ``none`` or ``survey``.
    """

    structure: Structure
    periods: tuple[str, ...]
    patterns: Patterns
    exact: Patterns
    complete: Patterns
    worst: np.ndarray
    best: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    n_raw: np.ndarray
    n_eff: np.ndarray
    answered: np.ndarray
    weighting: str

    @property
    def completed_share(self) -> float:
        """Share of the respondents who enter completed, because few share their pattern."""
        rest = self.exact.n[EXACT:].sum() if len(self.patterns.seen) > EXACT else 0.0
        return float(rest / self.exact.n.sum())

    @property
    def freedom(self) -> float:
        """Respondents less one a period: what is left of the covariance after the means."""
        return float(self.complete.n.sum()) - len(self.periods)

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the completed standardised answers within periods, shape (J, J)."""
        return np.asarray(self.complete.scatter[0] / self.complete.n.sum())

    @property
    def blanks(self) -> float:
        """Share of the answers that are missing."""
        return 1.0 - float(self.answered.sum()) / float(self.n_raw.sum() * len(self.structure.items))

    @property
    def points(self) -> np.ndarray:
        """Index points (0-100) of one standardised unit of each item, shape (J,)."""
        return np.asarray(100.0 * self.spread / (self.best - self.worst))


def count(values: np.ndarray, period: np.ndarray, weight: np.ndarray, *, periods: int) -> Patterns:
    """Return the sufficient statistics of rows of answers, most frequent patterns first.

    Parameters
    ----------
    values : array, shape (N, J)
        Standardised answers; NaN where missing. Rows without any answer are not allowed.
    period : array of int, shape (N,)
    weight : array, shape (N,)
        Summing to the effective number of respondents.
    periods : int
        T.
    """
    seen = np.isfinite(values)
    packed = np.packbits(seen, axis=1)
    _, first, which = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    which = which.ravel()
    size = np.bincount(which)
    order = np.argsort(-size, kind="stable")
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order))
    which, masks = rank[which], seen[first[order]].astype(float)
    p, j = masks.shape
    n = np.zeros((p, periods))
    np.add.at(n, (which, period), weight)
    filled = np.where(seen, values, 0.0)
    mean = np.zeros((p, periods, j))
    rows = np.lexsort((period, which))
    scatter = np.zeros((p, j, j))
    cell = which[rows] * periods + period[rows]
    starts = np.flatnonzero(np.r_[True, np.diff(cell) > 0])
    for begin, end in zip(starts, np.r_[starts[1:], len(rows)], strict=True):
        mine = rows[begin:end]
        own, w = filled[mine], weight[mine]
        k, t = which[mine[0]], period[mine[0]]
        mean[k, t] = w @ own / w.sum()
        off = (own - mean[k, t]) * masks[k]
        scatter[k] += (off * w[:, None]).T @ off
    return Patterns(masks, n, mean, scatter)


def inverses(covariance: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Inverse of the covariance of the answered items, 0 elsewhere, for each pattern, shape (P, J, J)."""
    both = seen[:, :, None] * seen[:, None, :]
    padded = covariance * both + np.eye(covariance.shape[0]) * (1.0 - seen)[:, :, None]
    return np.asarray(np.linalg.inv(padded) * both)


def expected(given: Patterns, covariance: np.ndarray, mean: np.ndarray) -> Patterns:
    """Complete every pattern: expected means and scatter of all items, one pattern (the E step).

    Parameters
    ----------
    given : Patterns
    covariance : array, shape (J, J)
    mean : array, shape (T, J)
    """
    j, periods = covariance.shape[0], mean.shape[0]
    n = given.n.sum(axis=0)
    total = np.zeros((periods, j))
    square = np.zeros((j, j))
    means = []
    for begin in range(0, len(given.seen), CHUNK):
        part = slice(begin, begin + CHUNK)
        seen = given.seen[part]
        fill = covariance @ inverses(covariance, seen)  # answered items stay, missing ones are predicted
        own = np.swapaxes(fill, 1, 2)
        inside = fill @ given.scatter[part] @ own
        left = covariance - fill @ covariance
        square += inside.sum(axis=0) + np.einsum("p,pij->ij", given.n[part].sum(axis=1), left)
        off = (given.mean[part] - mean) * seen[:, None, :]
        found = mean + np.einsum("pij,ptj->pti", fill, off)
        means.append(found)
        total += np.einsum("pt,pti->ti", given.n[part], found)
    average = total / np.maximum(n, 1e-300)[:, None]
    for begin, found in zip(range(0, len(given.seen), CHUNK), means, strict=True):
        off = found - average
        square += np.einsum("pt,pti,ptj->ij", given.n[begin : begin + CHUNK], off, off)
    return Patterns(np.ones((1, j)), n[None], average[None], ((square + square.T) / 2)[None])


def em(given: Patterns, *, tolerance: float = 1e-6, most: int = 200) -> Patterns:
    """Maximum likelihood of means by period and a common covariance under missing answers: the completed statistics.

    References
    ----------
    Dempster, Laird and Rubin (1977), doi:10.1111/j.2517-6161.1977.tb01600.x.
    """
    j = given.seen.shape[1]
    n = given.n[:, :, None] * given.seen[:, None, :]
    mean = (n * given.mean).sum(axis=0) / np.maximum(n.sum(axis=0), 1e-300)
    covariance = np.eye(j)
    done = expected(given, covariance, mean)
    if (given.seen > 0).all():
        return done
    for _ in range(most):
        new = done.scatter[0] / done.n.sum()
        moved = max(float(np.abs(new - covariance).max()), float(np.abs(done.mean[0] - mean).max()))
        covariance, mean = new, done.mean[0]
        done = expected(given, covariance, mean)
        if moved < tolerance:
            break
    return done


def capped(given: Patterns, complete: Patterns) -> Patterns:
    """Keep the `EXACT` largest patterns; complete the rest at the EM estimate, as one more pattern."""
    if len(given.seen) <= EXACT:
        return given
    rest = Patterns(given.seen[EXACT:], given.n[EXACT:], given.mean[EXACT:], given.scatter[EXACT:])
    covariance = complete.scatter[0] / complete.n.sum()
    done = expected(rest, covariance, complete.mean[0])
    return Patterns(
        *(
            np.concatenate([getattr(given, name)[:EXACT], getattr(done, name)])
            for name in ("seen", "n", "mean", "scatter")
        )
    )
