"""Which latents there are, what measures them and what moves them; how many of its parameters data can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Final

import numpy as np

from cxlab.errors import ModelError, Problem, nearest

ALONE: Final = 0.9999  # reliability of an item that stands for its latent by itself: taken as it is


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
        """Names of the parameters in the order of the unconstrained vector: paths, loadings, log sds."""
        found = [f"path {self.latents[a]} -> {self.latents[b]}" for a, b in self.paths]
        found += [f"loading {self.items[j]}" for j in self.free]
        found += [f"log sd {name}" for name in self.latents]
        return found + [f"log residual sd {self.items[j]}" for j in self.noisy]

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
                problems.append(
                    Problem("a path names no latent", where=f"paths.{to}", value=name, allowed=", ".join(names),
                            nearest=nearest(name, names))
                )  # fmt: skip
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
            problems.append(Problem("the marker is no item of its latent", where=name, value=item,
                                    allowed=", ".join(blocks.get(name, ()))))  # fmt: skip
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
