r"""The index questionnaire: seven latents of a structural model, asked on scales of ten.

The satisfaction of the model is the customer's own, so the index falls where the world's satisfaction falls and high
scores go with later spend. For customer :math:`i` among the buyers :math:`u` of a brand and quarter:

.. math::

    z_i &= (S_i - \bar S_u) / \text{sd}_u(S) \\
    (\text{image, expectation, quality, value})_i &\sim \text{Normal}(R_{AS} z_i,\; R_{AA} - R_{AS} R_{AS}^\top) \\
    \text{complaints}_i, \text{loyalty}_i &= \text{paths} + \text{Normal}(0, 1 - R^2) \\
    y_{ij} &= \text{round}(\mu_j + \sigma_j (\lambda_j (\eta_{ik} + R_{kS} m_u) + \sqrt{1 - \lambda_j^2}\,
        \epsilon_{ij})) \text{ within } 1..10, \quad m_u = (\bar S_u - 0.3) / 1.1

with :math:`R` the correlations that the paths imply: drawing the antecedents given satisfaction gives the joint
distribution of the structural model exactly, and a unit whose satisfaction shifts moves every latent by what goes with
it. At switch ``index`` = 0 all paths are 0: seven unrelated latents, only satisfaction follows the world's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import ndtr

from cxlab.synthetic import settings as s
from cxlab.synthetic.files import ClientFile, day, strings, text
from cxlab.synthetic.life import Life
from cxlab.synthetic.settings import WorldSettings

FIRST: Final = "2026Q1"  # first quarter in which it was asked
SIZE: Final = 300  # respondents of a brand and quarter
CENTRE, SPREAD = 0.3, 1.1  # satisfaction at which all latents are 0, and its sd among buyers
REFUSED: Final = 99
BLANK_SHARE, REFUSED_SHARE = 0.028, 0.012

LATENTS: Final = ("image", "expectation", "quality", "value", "satisfaction", "complaints", "loyalty")  # causes first
PATHS: Final = {  # standardised
    ("image", "expectation"): 0.55,
    ("expectation", "quality"): 0.60,
    ("expectation", "value"): 0.15,
    ("quality", "value"): 0.55,
    ("image", "satisfaction"): 0.20,
    ("expectation", "satisfaction"): 0.05,
    ("quality", "satisfaction"): 0.40,
    ("value", "satisfaction"): 0.30,
    ("satisfaction", "complaints"): 0.50,
    ("image", "loyalty"): 0.15,
    ("satisfaction", "loyalty"): 0.60,
    ("complaints", "loyalty"): 0.10,
}


@dataclass(frozen=True)
class IndexItem:
    """A question: its latent, loading (standardised, before rounding to codes), mean and sd on the 1-10 scale."""

    name: str
    latent: str
    loading: float
    mean: float
    sd: float


ITEMS: Final = tuple(
    IndexItem(f"{stem}{k}", latent, loading, mean, sd)
    for stem, latent, sd, questions in (
        ("image", "image", 1.8, ((0.75, 7.2), (0.70, 6.9), (0.80, 7.0))),
        ("expect", "expectation", 1.7, ((0.70, 7.4), (0.65, 7.0), (0.72, 7.2))),
        ("quality", "quality", 1.8, ((0.82, 7.3), (0.75, 7.0), (0.78, 6.8), (0.70, 7.1))),
        ("value", "value", 1.9, ((0.80, 6.4), (0.85, 6.6))),
        ("index_sat", "satisfaction", 1.9, ((0.85, 7.1), (0.80, 6.7), (0.82, 6.9))),
        ("complain", "complaints", 2.0, ((1.00, 6.5),)),
        ("loyal", "loyalty", 2.0, ((0.78, 6.9), (0.60, 6.3), (0.82, 7.0))),
    )
    for k, (loading, mean) in enumerate(questions, 1)
)
_S: Final = LATENTS.index("satisfaction")


@dataclass(frozen=True)
class IndexAnswers:
    """Who answered the index questionnaire, and what is true of it.

    Attributes
    ----------
    responses : DataFrame
        ``customer``, ``quarter``, ``date``, one column a question (codes 1-10, 99 = refused, 0 = blank) and one column
        ``eta_<latent>`` each: the respondent's latents, in sd of the buyers.
    truth : DataFrame
        See `cxlab.synthetic.truth.Truth.index`.
    """

    responses: pd.DataFrame
    truth: pd.DataFrame


def ask(settings: WorldSettings, people: pd.DataFrame, life: Life, *, reachable: np.ndarray) -> IndexAnswers:
    """Ask a random sample of each brand's buyers, quarter by quarter.

    Parameters
    ----------
    settings, people, life
        The world so far.
    reachable : ndarray of bool, shape (N,)
        Customers some system has an address of.
    """
    paths = settings.index * path_matrix()
    correlation, r2 = implied(paths)
    parts, truth = [], _structure(paths, r2)
    brand = people["brand"].to_numpy()
    for quarter in [q for q in settings.waves if q >= FIRST]:
        q = settings.quarters.index(quarter)
        rng = settings.stream(f"index {quarter}")
        for name in s.BRANDS:
            buyers = life.used[:, q, s.TOUCHPOINT_NAMES.index("quality")] & (brand == name)
            level, sd = life.satisfaction[buyers, q].mean(), life.satisfaction[buyers, q].std()
            shift = (level - CENTRE) / SPREAD
            frame = np.flatnonzero(buyers & reachable)
            who = np.sort(rng.choice(frame, min(SIZE, len(frame)), replace=False))
            eta = _latents(rng, (life.satisfaction[who, q] - level) / sd, paths=paths, correlation=correlation, r2=r2)
            eta = eta + shift * correlation[:, _S]
            row = pd.DataFrame({"customer": who, "quarter": q})
            row["date"] = s.first_day(quarter) + rng.integers(
                0, int((s.last_day(quarter) - s.first_day(quarter)).astype(int)) + 1, len(who)
            )
            parts.append(pd.concat([row, _codes(rng, eta), _named(eta)], axis=1))
            z = (life.satisfaction[buyers, q] - level) / sd
            truth += _unit(name, quarter, z, shift=shift, related=correlation[:, _S])
    columns = ["estimand", "brand", "period", "from", "to", "value"]
    return IndexAnswers(pd.concat(parts, ignore_index=True), pd.DataFrame(truth, columns=columns))


def index_file(people: pd.DataFrame, answers: IndexAnswers, ids: pd.DataFrame) -> ClientFile:
    """Shape the answers as the survey tool exports them, members by their number and the others by e-mail."""
    rows = answers.responses
    who = rows["customer"].to_numpy()
    member = ids["member"].to_numpy()[who]
    frame = {
        "resp": response_ids(answers),
        "answered_on": day(rows["date"]),
        "brand": people["brand"].map(s.BRAND_NAMES).to_numpy()[who],
        "member_no": text(member),
        "e_mail": np.where(member > 0, ids["crm_email"].to_numpy()[who], ids["shop_email"].to_numpy()[who]),
        "age": people["age"].to_numpy()[who],
        "region": people["region"].to_numpy()[who],
        "tier": people["tier"].to_numpy()[who],
    }
    frame |= {item.name: text(rows[item.name].to_numpy()) for item in ITEMS}
    return ClientFile("index_survey.csv", "index_survey", strings(pd.DataFrame(frame)), key=("resp",))


def response_ids(answers: IndexAnswers) -> np.ndarray:
    """Return the ids of the respondents, in order."""
    return np.array([f"X{i:05d}" for i in range(1, len(answers.responses) + 1)], dtype=object)


def path_matrix() -> np.ndarray:
    """Return the paths as a matrix, shape (to, from), in the order of `LATENTS`: strictly lower triangular."""
    paths = np.zeros((len(LATENTS), len(LATENTS)))
    for (cause, effect), size in PATHS.items():
        paths[LATENTS.index(effect), LATENTS.index(cause)] = size
    return paths


def implied(paths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlations of the latents, (K, K), and the R2 of each, (K,), under standardised paths."""
    correlation, r2 = np.eye(len(paths)), np.zeros(len(paths))
    for k in range(1, len(paths)):
        with_earlier = correlation[:k, :k] @ paths[k, :k]
        correlation[k, :k] = correlation[:k, k] = with_earlier
        r2[k] = paths[k, :k] @ with_earlier
    return correlation, r2


def recorded_loading(item: IndexItem) -> float:
    """Return the correlation of an item's code, rounded and cut off at 1 and 10, with its latent at average level."""
    cuts = (np.arange(1.5, 10) - item.mean) / item.sd
    above = 1 - ndtr(cuts)
    share = -np.diff(np.concatenate([[1.0], above, [0.0]]))
    codes = np.arange(1, 11)
    variance = share @ codes**2 - (share @ codes) ** 2
    return float(item.loading * (np.exp(-(cuts**2) / 2) / np.sqrt(2 * np.pi)).sum() / np.sqrt(variance))


def _latents(
    rng: np.random.Generator, z: np.ndarray, *, paths: np.ndarray, correlation: np.ndarray, r2: np.ndarray
) -> np.ndarray:
    """Draw the latents of respondents with standardised satisfaction `z`, shape (n, K), mean 0 and variance 1."""
    noise = rng.normal(size=(len(z), len(LATENTS)))
    eta = np.zeros_like(noise)
    related = correlation[:_S, _S]
    spread = correlation[:_S, :_S] - np.outer(related, related)
    eta[:, :_S] = z[:, None] * related + noise[:, :_S] @ np.linalg.cholesky(spread).T
    eta[:, _S] = z
    for k in range(_S + 1, len(LATENTS)):
        eta[:, k] = eta @ paths[k] + np.sqrt(1 - r2[k]) * noise[:, k]
    return eta


def _codes(rng: np.random.Generator, eta: np.ndarray) -> pd.DataFrame:
    loading, mean, sd = (np.array([getattr(item, name) for item in ITEMS]) for name in ("loading", "mean", "sd"))
    latent = eta[:, [LATENTS.index(item.latent) for item in ITEMS]]
    value = mean + sd * (loading * latent + np.sqrt(1 - loading**2) * rng.normal(size=latent.shape))
    lost = rng.random(latent.shape)
    codes = np.clip(np.round(value), 1, 10).astype(int)
    codes = np.select([lost < BLANK_SHARE, lost < BLANK_SHARE + REFUSED_SHARE], [0, REFUSED], codes)
    return pd.DataFrame(codes, columns=[item.name for item in ITEMS])


def _named(eta: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(eta, columns=[f"eta_{name}" for name in LATENTS])


_Row = tuple[str, str, str, str, str, float]


def _structure(paths: np.ndarray, r2: np.ndarray) -> list[_Row]:
    """What holds for all brands and quarters."""
    total = np.linalg.inv(np.eye(len(LATENTS)) - paths) - np.eye(len(LATENTS))
    rows: list[_Row] = []
    for (cause, effect), _ in PATHS.items():
        size = paths[LATENTS.index(effect), LATENTS.index(cause)]
        rows.append(("path", "", "", cause, effect, float(size)))
    for k, effect in enumerate(LATENTS):
        rows += [("total_effect", "", "", LATENTS[j], effect, float(total[k, j])) for j in range(k)]
        if any(to == effect for _, to in PATHS):
            rows.append(("r2", "", "", "", effect, float(r2[k])))
    return rows + [("loading", "", "", item.latent, item.name, recorded_loading(item)) for item in ITEMS]


def _unit(brand: str, quarter: str, z: np.ndarray, *, shift: float, related: np.ndarray) -> list[_Row]:
    """Return mean codes and indices of a unit's buyers: expectations over all of them, free of sampling noise."""
    rows: list[_Row] = []
    index = dict.fromkeys(LATENTS, 0.0)
    weights = {k: sum(recorded_loading(item) for item in ITEMS if item.latent == k) for k in LATENTS}
    for item in ITEMS:
        tie = related[LATENTS.index(item.latent)]
        centre = item.mean + item.sd * item.loading * tie * (z + shift)
        spread = item.sd * np.sqrt(max(1 - (item.loading * tie) ** 2, 1e-12))
        mean = 1 + (1 - ndtr((np.arange(1.5, 10) - centre[:, None]) / spread)).sum(axis=1).mean()
        rows.append(("item_mean", brand, quarter, item.latent, item.name, float(mean)))
        index[item.latent] += 100 / 9 * recorded_loading(item) / weights[item.latent] * (float(mean) - 1)
    return rows + [("index", brand, quarter, latent, "", value) for latent, value in index.items()]
