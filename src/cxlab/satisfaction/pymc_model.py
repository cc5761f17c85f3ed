"""The PyMC statement of the model, the arrays it is fed, and where its chains begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import pymc as pm

MOST_CODES: Final = 11
MAX_FACTORS: Final = 7
SCALES: Final = MAX_FACTORS + 4  # of the cells, of each factor, of all pairs, of being heard, of the walk
PAIRS: Final = SCALES - 3
HEARD: Final = SCALES - 2
WALK: Final = SCALES - 1


def build(arrays: dict[str, np.ndarray], coords: dict[str, list[str]]) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    arrays : dict of str to array
        From `pack`.
    coords : dict of str to list of str
        Labels of the dims ``cell``, ``contrast``, ``factor`` (the scales in use), ``boundary`` and ``scale_group``.

    Returns
    -------
    pm.Model
        ``scale`` and the deterministics ``effect``, ``eta``, ``cut``, ``log_scale`` and ``location`` in logits, the
        average answer being zero; parameters named ``.._raw`` are centred as far as the answers hold them.
    """
    import pymc as pm
    import pytensor.tensor as pt

    used = scales_used(arrays["scale_of"].argmax(axis=1))
    dims = coords | {"log_scale_contrast": [str(g) for g in range(arrays["spread"].shape[1])]}
    with pm.Model(coords=dims) as model:
        data = {name: pm.Data(name, value) for name, value in arrays.items()}

        def normal(name: str, mu: Any, sd: Any, dim: str) -> Any:
            return pm.Normal(name, mu, sd, dims=dim) if dims[dim] else pt.zeros(0)

        scale = pm.HalfNormal("scale", arrays["scale_prior"][used], dims="factor")

        # centred (1) a parameter has the sd of its effect, not centred (0) an sd of 1
        of_effect = scale[np.searchsorted(used, arrays["scale_of"].argmax(axis=1))]
        effect_sd = data["effect_centring"] * (of_effect - 1.0) + 1.0
        effect = normal("effect_raw", 0.0, effect_sd, "contrast") * of_effect / effect_sd
        main = pt.dot(data["design"], effect)

        # cells are centred on their main effects where they have the answers to say so
        centring = data["cell_centring"]
        cell_sd = centring * (scale[0] - 1.0) + 1.0
        cell_raw = normal("cell_raw", centring * main, cell_sd, "cell")
        eta = main + (cell_raw - centring * main) * scale[0] / cell_sd
        location = pt.dot(data["cell_share"], eta)
        log_scale = pt.dot(data["spread"], normal("spread_raw", 0.0, 1.0, "log_scale_contrast"))

        # ordered cuts: the middle one, as it lies to the average answer, then gaps to both sides
        moved = data["cut_frame"][0] + data["cut_frame"][1] * pm.Flat("cut_raw", dims="boundary")
        log_gap, gap = moved[1:], pt.exp(moved[1:])
        own_cut = moved[0] + pt.dot(data["cut_steps"], gap)
        cut = own_cut + location
        both, above, between = data["cut_prior"][0], data["cut_prior"][1], data["cut_prior"][2]
        of_gaps = pt.sum(between[1:] * pt.log1mexp(-gap) + log_gap)
        pm.Potential("dirichlet", of_gaps - pt.sum(both * pt.softplus(-cut) + above * cut))

        z = (cut[None, :] - eta[:, None]) * pt.exp(-pt.dot(data["group_of"], log_scale))[:, None]
        inner = pt.sum(data["group"] * pt.log1mexp(-gap[None, :] * pt.exp(-log_scale)[:, None]))
        pm.Potential("answers", inner - pt.sum(data["both"] * pt.softplus(-z) + data["above"] * z))

        pm.Deterministic("effect", effect, dims="contrast")
        pm.Deterministic("eta", eta - location, dims="cell")
        pm.Deterministic("cut", own_cut, dims="boundary")
        pm.Deterministic("log_scale", log_scale, dims="scale_group")
        pm.Deterministic("location", location)
    return model


def scales_used(scale_of: np.ndarray) -> np.ndarray:
    """Return the positions of the scales that cells and effects have."""
    return np.unique([0, *scale_of])


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
    """Turn checked arrays into the data of the model.

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
        ``both`` (M, K - 1) n_k + n_{k+1} and ``above`` n_{k+1} of each cell; ``design``; ``group_of`` (M, G) of ones
        and zeros; ``cell_share`` (M,) of the answers; ``scale_of`` (E, SCALES) of ones and zeros; ``scale_prior``;
        ``effect_centring`` (E,), ``cell_centring`` (M,); ``group`` (G, K - 2) total counts of the inner codes;
        ``spread``; ``cut_steps`` (K - 1, K - 2), which sums the gaps away from the middle cut; ``cut_frame``
        (2, K - 1), where the answers say the raw cuts are, and how surely; ``cut_prior`` (3, K - 1): both, above and
        between of the Dirichlet's own answers.
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
        For each parameter of the model, in its own unconstrained unit.
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

    used = scales_used(arrays["scale_of"].argmax(axis=1))
    return {
        "scale_log__": (np.log(scale[used]), np.full(len(used), 0.3)),
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
