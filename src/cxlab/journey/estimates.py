"""Draws of the journey's models -> rows of the tidy table ``journey_estimates``.

Coordinates beside `vocab.ESTIMATE_COLUMNS`: ``touchpoint``, ``to`` (of a step), ``basis`` (what an experience was known
from: ``rating``, or an outcome of interactions). In `n` stands the smaller of the two groups that are compared, so that
small groups are suppressed; in ``n_all`` everybody whose experience is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.inference.diagnostics import Gate
from cxlab.inference.estimates import CI_PROB, compared, summaries
from cxlab.journey import estimates_gaps
from cxlab.journey.fits import ANY, Fitted, Journeys
from cxlab.journey.states import BUY, END, START
from cxlab.journey.transitions import OTHER
from cxlab.vocab import ESTIMATE_COLUMNS, ESTIMATE_NUMBERS

if TYPE_CHECKING:
    import xarray as xr

MODEL: Final = "moments"
COORDS: Final = ("touchpoint", "to", "basis", "n_all")


def gates(fits: Sequence[Fitted]) -> list[Gate]:
    """Judge every fit as `cxlab.journey.estimates_gaps.judged` does; exact draws pass."""
    return [_exact(one.reported) if one.tree is None else estimates_gaps.judged(one.tree, one.reported) for one in fits]


def _exact(reported: xr.Dataset) -> Gate:
    draws = float(reported.sizes["chain"] * reported.sizes["draw"])
    return Gate(True, 1.0, draws, draws, 0)


def table(
    found: Journeys, fits: Sequence[Fitted], gates: Sequence[Gate], *, period: str, practical: float
) -> pd.DataFrame:
    """Return the estimates of all fits; a fit that failed its checks gives rows without numbers.

    Parameters
    ----------
    found : Journeys
    fits, gates : sequences of equal length
    period : str
        The unit's.
    practical : float
        Smallest difference of shares worth acting on.

    Returns
    -------
    DataFrame
        `vocab.ESTIMATE_COLUMNS` without run and brand, and `COORDS`.
    """
    item = found.question.item if found.question else ""
    parts = []
    for one, gate in zip(fits, gates, strict=True):
        rows = _ROWS[one.name](one, practical)
        if not gate.passed:
            rows[list(ESTIMATE_NUMBERS)] = np.nan
            rows["verdict"] = "withheld"
        parts.append(rows)
    parts += [_largest(fits, gates, ending) for ending in ("satisfaction", "leaving")]
    parts.append(_flow(found))
    whole = pd.concat([p for p in parts if len(p)], ignore_index=True) if any(map(len, parts)) else pd.DataFrame()
    given = {"item": item, "metric": "share", "unit": "share", "weighting": "none", "level": "total", "group": ""}
    given |= {"verdict": "", "touchpoint": "", "to": "", "basis": "", "ci_kind": ""}
    for column, value in given.items():
        whole[column] = whole[column].fillna(value) if column in whole else value
    for column in (*ESTIMATE_COLUMNS, *COORDS):
        if column not in whole:
            whole[column] = np.nan
    whole["n_eff"] = whole["n_eff"].astype(float).fillna(whole["n"].astype(float))
    whole = whole.assign(period=period, model=MODEL)
    return whole[[*(c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand")), *COORDS]]


def together(*tables: pd.DataFrame) -> pd.DataFrame:
    """Return tables of gaps, of this module and of facts as one, empty texts where one of them has no such coord."""
    whole = pd.concat([t for t in tables if len(t)] or list(tables[:1]), ignore_index=True)
    texts = [c for c in ("touchpoint", "to", "event", "basis") if c in whole]
    return whole.assign(**{c: whole[c].fillna("") for c in texts})


def draws_of(fits: Sequence[Fitted], gates: Sequence[Gate]) -> xr.Dataset:
    """Return the draws that later notebooks read: effects of bad experiences, of fits that passed.

    Returns
    -------
    Dataset
        ``mot_satisfaction`` (chain, draw, satisfaction_place) and ``mot_leaving`` (chain, draw, leaving_place), with
        the coords touchpoint and basis of each place.
    """
    import xarray as xr

    found = {}
    coords = {}
    for name in ("satisfaction", "leaving"):
        own = [f.reported for f, g in zip(fits, gates, strict=True) if f.name == name and g.passed]
        if not own:
            continue
        rows = xr.concat([one[f"mot_{name}"] for one in own], dim="row")
        found[f"mot_{name}"] = (("chain", "draw", f"{name}_place"), rows.to_numpy())
        for coord in ("touchpoint", "basis"):
            coords[f"{name}_{coord}"] = (f"{name}_place", rows[coord].to_numpy().astype(str))
    return xr.Dataset(found, coords=coords) if found else xr.Dataset(coords={"chain": [0], "draw": [0]})


def _draws(values: xr.DataArray) -> np.ndarray:
    """Draws of all chains: shape (draw, row)."""
    array = values.to_numpy()
    return array.reshape(-1, array.shape[-1])


def _moments(one: Fitted, practical: float) -> pd.DataFrame:
    drawn = one.reported
    leaving = "mot_leaving" in drawn
    main = "mot_leaving" if leaving else "mot_satisfaction"
    sign = -1.0 if leaving else 1.0  # fewer who leave is better
    touchpoint = drawn["touchpoint"].to_numpy().astype(str)
    single = one.name == "one_bad"
    smaller = np.minimum(drawn["n_bad"].to_numpy(), drawn["n_good"].to_numpy())
    place = pd.DataFrame(
        {
            "touchpoint": np.where(touchpoint == ANY, "", touchpoint),
            "basis": drawn["basis"].to_numpy().astype(str),
            "n": smaller,
            "n_eff": one.weight * smaller,
            "n_all": drawn["n"].to_numpy(),
        }
    )
    place["level"], place["group"] = ("total", "") if single else ("touchpoint", place["touchpoint"])
    ending = "leaving" if leaving else "satisfaction"
    names = {main: "one_bad" if single else main}
    names |= {"raw": "one_bad_raw" if single else f"raw_{ending}"}
    names |= {k: f"{k}_{ending}" for k in ("after_bad", "after_good", "raw_bad")} if not single else {}
    names |= (
        {"after_bad": "one_bad_after", "after_good": "one_bad_without", "raw_bad": "one_bad_folk"} if single else {}
    )
    parts = []
    for variable, estimand in names.items():
        values = _draws(drawn[variable])
        if not values.shape[1]:
            continue
        if variable in (main, "raw"):
            numbers = compared(values, practical=practical).drop(columns="prob_practical")
            numbers["verdict"] = compared(sign * values, practical=practical)["verdict"]
        else:
            numbers = summaries(values)
        parts.append(pd.concat([place, numbers], axis=1).assign(estimand=estimand))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _largest(fits: Sequence[Fitted], gates: Sequence[Gate], ending: str) -> pd.DataFrame:
    """How probable it is that a bad experience goes with more of an ending than any other one does."""
    own = [one.reported for one, gate in zip(fits, gates, strict=True) if one.name == ending and gate.passed]
    own = [drawn for drawn in own if drawn.sizes["row"]]
    if not own:
        return pd.DataFrame()
    values = np.hstack([_draws(drawn[f"mot_{ending}"]) for drawn in own])
    values = values if ending == "leaving" else -values
    place = {c: np.concatenate([drawn[c].to_numpy().astype(str) for drawn in own]) for c in ("touchpoint", "basis")}
    n = np.concatenate([np.minimum(drawn["n_bad"], drawn["n_good"]).to_numpy() for drawn in own])
    chance = _first(values)
    rows = pd.DataFrame(place | {"group": place["touchpoint"], "n": n, "mean": chance})
    return rows.assign(estimand=f"p_largest_{ending}", metric="probability", unit="probability", level="touchpoint")


def _first(values: np.ndarray) -> np.ndarray:
    """How often each column is the largest one: (draw, row) -> (row,)."""
    return np.bincount(values.argmax(axis=1), minlength=values.shape[1]) / len(values)


def _peak_end(one: Fitted, practical: float) -> pd.DataFrame:
    drawn = one.reported
    place = pd.DataFrame({"group": drawn["part"].to_numpy().astype(str), "n": drawn["n"].to_numpy(), "level": "part"})
    place["n_eff"] = one.weight * place["n"]
    parts = [
        pd.concat([place, summaries(_draws(drawn["peak_end"]), ref=0.0)], axis=1).assign(estimand="peak_end"),
        pd.concat([place, summaries(_draws(drawn["peak_end_over_mean"]), ref=0.0)], axis=1)
        .assign(estimand="peak_end_over_mean")
        .iloc[1:],
    ]
    mean, error = one.gain
    normal = np.random.default_rng(0).normal(mean, error, 4000)
    score = pd.DataFrame([{"n": place["n"].iloc[0], "n_eff": place["n_eff"].iloc[0], "metric": "score"}])
    score = pd.concat([score, summaries(normal[:, None], ref=0.0)], axis=1)
    score[["mean", "median", "sd"]] = mean, mean, error
    return pd.concat([*parts, score.assign(estimand="peak_end_gain", unit="nats per 100 answers")], ignore_index=True)


def _tenure(one: Fitted, practical: float) -> pd.DataFrame:
    drawn = one.reported
    place = pd.DataFrame({"group": drawn["since"].to_numpy().astype(str), "n": drawn["n"].to_numpy(), "level": "since"})
    levels = pd.concat([place, summaries(_draws(drawn["tenure"]))], axis=1).assign(estimand="tenure")
    over = pd.concat([place, compared(_draws(drawn["tenure_over_first"]), practical=practical)], axis=1)
    over = over.drop(columns="prob_practical").assign(estimand="tenure_change").iloc[1:]
    return pd.concat([levels, over], ignore_index=True)


def _paths(one: Fitted, practical: float) -> pd.DataFrame:
    drawn = one.reported
    place = pd.DataFrame({c: drawn[c].to_numpy().astype(str) for c in ("touchpoint", "to")})
    place = place.assign(group=place["touchpoint"], level="touchpoint", n=drawn["n"].to_numpy())
    steps = pd.concat([place, summaries(_draws(drawn["transition"]))], axis=1).assign(estimand="transition")
    ends = (drawn["to"] == END).to_numpy() & ~np.char.startswith(place["touchpoint"].to_numpy(str), BUY)
    ends &= ~place["touchpoint"].isin([START, OTHER]).to_numpy()
    early = ends & place["touchpoint"].isin(one.early).to_numpy() if one.early else ends
    if early.any():
        chance = _first(_draws(drawn["transition"])[:, early])
        most = place[early].assign(estimand="p_ends_most", metric="probability", unit="probability", mean=chance)
        steps = pd.concat([steps, most], ignore_index=True)
    if not drawn.sizes["state"]:
        return steps
    names = drawn["state"].to_numpy().astype(str)
    place = pd.DataFrame({"touchpoint": names, "group": names, "level": "touchpoint", "n": drawn["state_n"].to_numpy()})
    bought = pd.concat([place, summaries(_draws(drawn["purchase"]))], axis=1).assign(estimand="purchase")
    return pd.concat([steps, bought], ignore_index=True)


def _decision(one: Fitted, practical: float) -> pd.DataFrame:
    drawn = one.reported
    place = pd.DataFrame({c: drawn[c].to_numpy().astype(str) for c in ("touchpoint", "basis")})
    place = place.assign(level="week", group=drawn["week"].to_numpy().astype(str), n=drawn["n"].to_numpy())
    shares = pd.concat([place, summaries(_draws(drawn["decided"]))], axis=1).assign(estimand="decided")
    median = _draws(drawn["median_weeks"])
    known = np.isfinite(median).mean(axis=0) > 1 - (1 - CI_PROB) / 2
    if not known.any():
        return shares
    place = pd.DataFrame({c: drawn[f"group_{c}"].to_numpy()[known] for c in ("touchpoint", "basis", "n")})
    place[["touchpoint", "basis"]] = place[["touchpoint", "basis"]].astype(str)
    place = place.assign(level="touchpoint", group=place["touchpoint"], metric="weeks", unit="weeks")
    within = np.where(np.isfinite(median[:, known]), median[:, known], median[np.isfinite(median)].max())
    weeks = pd.concat([place, summaries(within)], axis=1).assign(estimand="decision_weeks")
    return pd.concat([shares, weeks], ignore_index=True)


def _flow(found: Journeys) -> pd.DataFrame:
    """The first steps of journeys as shares of all; counts, no draws."""
    if found.flow.empty:
        return pd.DataFrame()
    rows = found.flow[["touchpoint", "to", "n"]].assign(level="step", group=found.flow["step"].astype(str))
    begun = float(found.flow.loc[found.flow["step"] == 1, "n"].sum())
    return rows.assign(estimand="flow", mean=rows["n"] / begun, n_all=begun, ci_prob=np.nan, ci_kind="")


_ROWS: Final = {
    "satisfaction": _moments,
    "leaving": _moments,
    "one_bad": _moments,
    "peak_end": _peak_end,
    "tenure": _tenure,
    "paths": _paths,
    "decision": _decision,
}
