"""The cumulative-logit graph for one rung of sizes, and the arrays it is fed.

Only the parameters are padded, to the sizes of a rung of `LADDER`; all data (priors too) are `pm.Data` whose rows and
columns may be fewer, so one compiled graph serves every unit of its rung and computes no padding. Nothing in it is an
index: groups and scales are columns of ones and zeros, so no data can reach outside. Sums of products stand where
matrix products would: they compile four times as fast and start no threads.

A parameter beyond the data's size is one standard normal that touches nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import pymc as pm

CUTS: Final = 10  # of 11 codes
MAX_FACTORS: Final = 7
SCALES: Final = MAX_FACTORS + 4  # of the cells, of each factor, of all pairs, of being heard, of the walk
PAIRS: Final = SCALES - 3
HEARD: Final = SCALES - 2
WALK: Final = SCALES - 1
LADDER: Final = {64: 32, 256: 64, 1024: 128, 4096: 256}  # cells: effects


def largest(cells: int) -> dict[str, np.ndarray]:
    """The data of a rung at its full size, legal and empty; data of a unit may have fewer rows and columns."""
    effects = LADDER[cells]
    groups = effects // 4
    return {
        "both": np.zeros((cells, CUTS)),  # n_k + n_{k+1}
        "above": np.zeros((cells, CUTS)),  # n_{k+1}
        "design": np.zeros((cells, effects)),
        "group_of": np.zeros((cells, groups)),
        "cell_centring": np.zeros(cells),
        "cell_share": np.zeros(cells),  # of the answers
        "scale_of": np.zeros((effects, SCALES)),
        "effect_centring": np.zeros(effects),
        "scale_prior": np.ones(SCALES),
        "group": np.zeros((groups, CUTS - 1)),  # total counts of the inner codes
        "spread": np.zeros((groups, groups - 1)),  # zero-sum contrasts of the log-scales times their prior sd
        "cut_steps": np.zeros((CUTS, CUTS - 1)),  # sums the gaps away from the middle cut
        "cut_frame": np.ones((2, CUTS)),  # where the data say the raw cuts are, and how surely
        "cut_prior": np.ones((3, CUTS)),  # both, above and between of the Dirichlet's own answers
    }


def graph(cells: int) -> pm.Model:
    """Build the PyMC model of one rung, its data at their largest."""
    import pymc as pm
    import pytensor.tensor as pt

    effects = LADDER[cells]
    with pm.Model(check_bounds=False) as model:
        data = {name: pm.Data(name, value) for name, value in largest(cells).items()}

        # scales, half-normal
        scale = pm.HalfNormal("scale", data["scale_prior"], shape=SCALES)

        # effects: with centring c the parameter has sd c * scale + 1 - c, so 1 is centred and 0 is not
        padded_effect = pm.Flat("effect_raw", shape=effects)
        count = data["effect_centring"].shape[0]
        effect_raw = padded_effect[:count]
        scale_of_effect = pt.sum(data["scale_of"] * scale[None, :], axis=1)
        effect_sd = data["effect_centring"] * (scale_of_effect - 1.0) + 1.0
        effect = effect_raw * scale_of_effect / effect_sd
        main = pt.sum(data["design"] * effect[None, :], axis=1)

        # cells: centred on their main effects where they have the answers to say so
        padded_cell = pm.Flat("cell_raw", shape=cells)
        c = data["cell_centring"]
        cell_raw = padded_cell[: c.shape[0]]
        cell_sd = c * (scale[0] - 1.0) + 1.0
        away = (cell_raw - c * main) / cell_sd
        eta = main + away * scale[0]

        # log-scales, zero-sum over the scale groups
        padded_spread = pm.Flat("spread_raw", shape=LADDER[cells] // 4 - 1)
        spread_raw = padded_spread[: data["spread"].shape[1]]
        log_scale = pt.sum(data["spread"] * spread_raw[None, :], axis=1)

        # ordered cuts: the middle one, as it lies to the average answer, then gaps to both sides
        padded_cut = pm.Flat("cut_raw", shape=CUTS)
        steps = data["cut_steps"]
        moved = data["cut_frame"][0] + data["cut_frame"][1] * padded_cut[: steps.shape[0]]
        log_gap = moved[1:]
        gap = pt.exp(log_gap)
        cut = moved[0] + pt.sum(data["cell_share"] * eta) + pt.sum(steps * gap[None, :], axis=1)

        pm.Potential(
            "normal",
            -0.5 * pt.sum((effect_raw / effect_sd) ** 2) - pt.sum(pt.log(effect_sd))
            - 0.5 * pt.sum(away**2) - pt.sum(pt.log(cell_sd))
            - 0.5 * (pt.sum(padded_effect[count:] ** 2) + pt.sum(padded_cell[c.shape[0] :] ** 2))
            - 0.5 * pt.sum(padded_cut[steps.shape[0] :] ** 2) - 0.5 * pt.sum(padded_spread**2),
        )  # fmt: skip
        pm.Potential(
            "dirichlet",
            pt.sum(data["cut_prior"][2, 1:] * pt.log1mexp(-gap) + log_gap)
            - pt.sum(data["cut_prior"][0] * pt.softplus(-cut) + data["cut_prior"][1] * cut),
        )
        narrow = pt.exp(-pt.sum(data["group_of"] * log_scale[None, :], axis=1))
        z = (cut[None, :] - eta[:, None]) * narrow[:, None]
        inner = data["group"] * pt.log1mexp(-gap[None, :] * pt.exp(-log_scale)[:, None])
        softplus = pt.log1p(pt.exp(-pt.abs(z))) + pt.maximum(-z, 0.0)  # of -z; its gradient shares the exponential
        pm.Potential("answers", pt.sum(inner) - pt.sum(data["both"] * softplus + data["above"] * z))
    return model


def pack(
    *,
    counts: np.ndarray,
    design: np.ndarray,
    scale_of: np.ndarray,
    scale_group: np.ndarray,
    spread: np.ndarray,
    scale_prior: np.ndarray,
    concentration: float,
) -> dict[str, np.ndarray]:
    """Turn checked arrays into the data of the graph.

    Parameters
    ----------
    counts : array, shape (M, K)
        Answers by cell and code.
    design : array, shape (M, E)
        Contrasts and walk steps.
    scale_of : array of int, shape (E,)
        Position of each column's scale in `scale_prior`.
    scale_group : array of int, shape (M,)
        Scale group of each cell.
    spread : array, shape (G, G - 1)
        Zero-sum contrasts of the groups' log-scales times their prior sd.
    scale_prior : array, shape (SCALES,)
        Half-normal sd of the scales of cells, factors and walk, in logits.
    concentration : float
        Dirichlet weight of each code.

    Returns
    -------
    dict of str to array
        One for each name in `largest`.
    """
    member = np.eye(len(spread))[scale_group]
    middle, width, steps = _cut_frame(counts.sum(axis=0) + concentration)
    weight = np.full(counts.shape[1], concentration)
    effect_centring, cell_centring = centring(
        counts, design=design, prior=scale_prior[scale_of], cell_prior=scale_prior[0]
    )
    return {
        "both": counts[:, :-1] + counts[:, 1:],
        "above": counts[:, 1:],
        "design": design,
        "group_of": member,
        "cell_centring": cell_centring,
        "cell_share": counts.sum(axis=1) / counts.sum(),
        "scale_of": np.eye(SCALES)[scale_of],
        "effect_centring": effect_centring,
        "scale_prior": scale_prior,
        "group": (member.T @ counts)[:, 1:-1],
        "spread": spread,
        "cut_steps": steps,
        "cut_frame": np.stack([middle, width]),
        "cut_prior": np.stack([weight[:-1] + weight[1:], weight[1:], weight[:-1] - 1.0]),
    }


def start(arrays: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Where the posterior roughly lies, so that chains on a million answers need not come down from afar.

    Cells by a few Newton steps given the pooled cuts, effects by ridge regression on the cells.

    Parameters
    ----------
    arrays : dict of str to array
        From `pack`.

    Returns
    -------
    dict of str to (middle, spread)
        For each parameter of the graph, in its own unconstrained unit; padding excluded.
    """
    design, prior, both = arrays["design"], arrays["scale_prior"], arrays["both"]
    frame = arrays["cut_frame"]
    cut = frame[0, 0] + arrays["cut_steps"] @ np.exp(frame[0, 1:])
    eta, information = np.zeros(len(design)), np.zeros(len(design))
    for _ in range(6):
        above = 1.0 / (1.0 + np.exp(cut[None, :] - eta[:, None]))
        information = (both * above * (1.0 - above)).sum(axis=1)
        score = (arrays["above"] - both * above).sum(axis=1)
        eta = eta - np.clip((-score + 4.0 * eta) / (information + 4.0), -2.0, 2.0)  # normal(0, 0.5) a cell
    spread_of = arrays["scale_of"] @ prior
    known = information / (1.0 + information * (prior[0] / 2) ** 2)
    precision = (design * known[:, None]).T @ design
    effect = np.linalg.solve(precision + np.diag(4.0 / spread_of**2), design.T @ (known * eta))
    main = design @ effect
    scale = prior / 2
    own = (eta - main) * information / (information + 1.0 / scale[0] ** 2)
    of_effect = arrays["scale_of"] @ scale
    effect_sd = arrays["effect_centring"] * (of_effect - 1.0) + 1.0
    centred = arrays["cell_centring"]
    cell_sd = centred * (scale[0] - 1.0) + 1.0

    def width(information: np.ndarray, slope: np.ndarray, sd: np.ndarray) -> np.ndarray:
        return 1.0 / np.sqrt(information * slope**2 + 1.0 / sd**2)

    return {
        "scale_log__": (np.log(scale), np.full(len(scale), 0.3)),
        "effect_raw": (effect * effect_sd / of_effect, width(np.diag(precision), of_effect / effect_sd, effect_sd)),
        "cell_raw": (centred * main + own * cell_sd / scale[0], width(information, scale[0] / cell_sd, cell_sd)),
        "cut_raw": (np.zeros(len(cut)), np.ones(len(cut))),
        "spread_raw": (np.zeros(arrays["spread"].shape[1]), np.full(arrays["spread"].shape[1], 0.1)),
    }


def centring(
    counts: np.ndarray, *, design: np.ndarray, prior: np.ndarray, cell_prior: float
) -> tuple[np.ndarray, np.ndarray]:
    """How far each effect and each cell is centred, from the information that the answers hold about it.

    Parameters
    ----------
    counts : array, shape (M, K)
        Answers by cell and code.
    design : array, shape (M, E)
        Contrasts and walk steps.
    prior : array, shape (E,)
        Prior scale of each effect, logits.
    cell_prior : float
        Prior scale of the cell effects, logits.

    Returns
    -------
    tuple of arrays, shapes (E,) and (M,)
        0 = not centred, 1 = centred.
    """
    share = counts.sum(axis=0) / max(counts.sum(), 1.0)
    information = counts.sum(axis=1) * (1.0 - (share**3).sum()) / 3.0  # of eta, by cell (Whitehead 1993)
    cell = information * cell_prior**2
    known = information / (1.0 + information * (cell_prior / 2) ** 2)
    effect = (known[:, None] * design**2).sum(axis=0) * prior**2
    return effect / (1.0 + effect), cell / (1.0 + cell)


def _cut_frame(total: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the raw cuts lie by the pooled answers: location and spread of (middle cut, log gaps), and how gaps sum."""
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
    return location, 1.0 / np.sqrt(1.0 + information), steps
