"""What customers are worth -> rows of the tidy table ``value_estimates``, and one row a customer: ``customer_value``.

Coordinates beside `vocab.ESTIMATE_COLUMNS`: ``from`` and ``to`` (segments of a migration, else empty), ``n_all``
(customers of the whole base).

=====================  ================================================================================================
estimand               a row is
=====================  ================================================================================================
``customer_equity``    discounted contribution of the known customers until the horizon; level ``tenure``: new, existing
``revenue``, ``buyers``, ``purchases``: of known customers in the period, counted, no interval; level ``tenure``,
                       existing: of those known before it, which the forecasts of the period before were about
``active``             expected number of customers who have not left, and as a share (metric)
``holdout_total``      purchases foretold for the past that was held out; ``holdout_actual`` what came
``holdout_error``      foretold over actual, less one
``holdout_class``      the same a customer, by repeat purchases before (group); ``holdout_class_actual``
``holdout_week``       by week (group); ``holdout_week_actual``
``holdout_cover``      share of customers within their interval; ``holdout_promised`` what the intervals promise
``model_score``        log likelihood behind the best model (level model); ``model_rms`` how far totals were off,
                       ``model_holdout`` the error of its total on the weeks held out, at its likeliest parameters
=====================  ================================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab.inference.estimates import CI_PROB, summary
from cxlab.params.models import Value
from cxlab.value import contracts_report, segments_report, whatif
from cxlab.value.fits import Fitted
from cxlab.value.segments_report import People
from cxlab.vocab import ESTIMATE_COLUMNS, ESTIMATE_NUMBERS, FORECAST_COLUMNS

if TYPE_CHECKING:
    import xarray as xr

MODEL: Final = "value"
COORDS: Final = ("from", "to", "n_all")
TENURE: Final = ("existing", "new")
UNITS: Final = {"money": "currency", "share": "share", "rate": "share", "count": "customers", "mean": "number"}
Row = dict[str, Any]
_PERIOD: Final = """
    WITH bought AS (SELECT *, kind IN ('purchase', 'booking', 'renewal') AND (amount IS NULL OR amount >= 0) AS visit
        FROM transactions WHERE customer IS NOT NULL AND date <= $end),
    came AS (SELECT customer, min(date) AS first FROM bought WHERE visit GROUP BY customer)
    SELECT coalesce(came.first < $begin, false) AS known,
        coalesce(sum(amount) FILTER (WHERE kind IN ('purchase', 'booking', 'renewal', 'return')), 0) AS revenue,
        count(DISTINCT customer) FILTER (WHERE visit) AS buyers,
        count(DISTINCT (customer, date)) FILTER (WHERE visit) AS purchases
    FROM bought LEFT JOIN came USING (customer) WHERE date >= $begin GROUP BY known"""


def table(
    fitted: Fitted,
    people: People | None = None,
    back: list[Row] | None = None,
    *,
    period: str,
    settings: Value,
) -> pd.DataFrame:
    """Return the estimates of a base; a fit that failed its checks gives rows without numbers.

    Parameters
    ----------
    fitted : Fitted
    people : People, optional
        Who the customers are (`cxlab.value.segments_report`).
    back : list of rows, optional
        From `cxlab.value.equity_report.rows`.
    period : str
        The unit's.
    settings : Value
        ``value`` of the params.

    Returns
    -------
    DataFrame
        `vocab.ESTIMATE_COLUMNS` without run and brand, and `COORDS`.
    """
    counted = _counted(fitted)
    modelled: list[Row] = []
    if fitted.outlook is not None:
        modelled += _equity(fitted)
    modelled += segments_report.rows(people, fitted) + contracts_report.rows(fitted, settings=settings)
    proved = _holdout(fitted) + _models(fitted)
    rows = pd.DataFrame([*counted, *modelled, *proved, *(back or [])])
    if fitted.gate is not None and not fitted.gate.passed and modelled:
        at = slice(len(counted), len(counted) + len(modelled))
        rows.loc[rows.index[at], list(ESTIMATE_NUMBERS)] = np.nan
        rows.loc[rows.index[at], "verdict"] = "withheld"
    return complete(rows, period=period)


def complete(rows: pd.DataFrame, *, period: str) -> pd.DataFrame:
    """Return rows with every column of the tidy table, blanks filled."""
    given = {
        "item": "value", "metric": "money", "weighting": "none", "level": "total", "group": "", "verdict": "",
        "from": "", "to": "", "ci_kind": "", "period": period, "model": MODEL,
    }  # fmt: skip
    whole = rows.copy()
    for column, text in given.items():
        whole[column] = whole[column].fillna(text) if column in whole else text
    for column in (*ESTIMATE_COLUMNS, *COORDS):
        if column not in whole:
            whole[column] = np.nan
    whole["unit"] = whole["metric"].map(UNITS).fillna("number")
    whole["n_eff"] = whole["n_eff"].astype(float).fillna(whole["n"].astype(float))
    return whole[[*(c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand")), *COORDS]]


def customers(fitted: Fitted, people: People | None = None) -> pd.DataFrame:
    """Return one row a customer, by pseudonym: ``p_alive``, ``expected_purchases``, ``expected_spend``, ``clv_mean``,
    ``clv_low``, ``clv_high`` and what they stand on: ``purchases`` (days of purchase), ``recency``, ``age`` (weeks),
    ``spend`` (average repeat purchase), ``new``, ``segment``, ``p_segment``; empty without a model that passed.
    """  # noqa: D205
    wanted = ["p_alive", "expected_purchases", "expected_spend", "clv_mean", "clv_low", "clv_high"]
    columns = ["customer", *wanted, "purchases", "recency", "age", "spend", "new", "segment", "p_segment"]
    if fitted.outlook is None or fitted.gate is None or not fitted.gate.passed:
        return pd.DataFrame(columns=columns)
    base = fitted.customers.reset_index(drop=True)
    own = base[["customer", "recency", "age", "spend", "new"]].assign(purchases=base["x"] + 1)
    found = pd.concat([own, fitted.outlook.customers[wanted].reset_index(drop=True)], axis=1)
    found = found.assign(segment="", p_segment=np.nan)
    if people is not None:
        found[["segment", "p_segment"]] = people.members.customers[["segment", "p_segment"]].to_numpy(object)
        found["p_segment"] = found["p_segment"].astype(float)
    return found[columns]


def forecasts(fitted: Fitted, *, target: str) -> pd.DataFrame:
    """Return what the known customers are expected to buy in the next period, as rows of `vocab.FORECAST_COLUMNS`."""
    own = [c for c in FORECAST_COLUMNS if c not in ("run_id", "brand", "period", "model")]
    if fitted.near is None or fitted.gate is None or not fitted.gate.passed:
        return pd.DataFrame(columns=own)
    drawn = {"purchases": ("count", fitted.near.purchases.sum(axis=1))}
    if fitted.data is not None and fitted.data.spend is not None:
        drawn["revenue"] = ("money", fitted.near.equity.sum(axis=1))
    rows = []
    for item, (metric, values) in drawn.items():
        quantiles = dict(zip(("q05", "q25", "q50", "q75", "q95"), np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]),
                             strict=True))  # fmt: skip
        about = {"item": item, "metric": metric, "level": "total", "group": "", "weighting": "none"}
        about |= {"target_period": target, "unit": "purchases" if metric == "count" else UNITS[metric]}
        rows.append(about | quantiles | {"mean": float(values.mean()), "sd": float(values.std())})
    return pd.DataFrame(rows, columns=own)


def draws_of(fitted: Fitted, *, settings: Value, seed: int) -> xr.Dataset:
    """Return the draws that later notebooks read, of a fit that passed.

    Returns
    -------
    Dataset
        ``point`` and ``spend_point`` (chain, draw, coordinate), the parameters, with the family and the scale of spend
        as attributes; of buyers ``equity`` (look, tenure), a row a draw of the look ahead, and what
        `cxlab.value.whatif` needs.
    """
    import xarray as xr

    if fitted.gate is None or not fitted.gate.passed or fitted.tree is None or fitted.data is None:
        return xr.Dataset(coords={"chain": [0], "draw": [0]})
    posterior = fitted.tree["posterior"].dataset
    kept = posterior[[v for v in ("point", "spend_point") if v in posterior]].drop_vars("covariate", errors="ignore")
    told: dict[str, Any] = {"family": fitted.data.family}
    if fitted.data.spend is not None:
        told["spend_scale"] = fitted.data.spend.scale
    if fitted.outlook is not None:
        drawn = fitted.outlook.equity
        kept["equity"] = (("look", "tenure"), drawn if drawn.shape[1] > 1 else np.pad(drawn, ((0, 0), (0, 1))))
        more = whatif.keep(fitted, settings=settings, seed=seed)
        kept, told = kept.assign_coords(tenure=list(TENURE)).merge(more), told | more.attrs
    kept.attrs = told
    return kept


def _counted(fitted: Fitted) -> list[Row]:
    """What was bought in the period: no model, no interval."""
    history = fitted.history
    found = history.data.sql(_PERIOD, params={"begin": fitted.begin, "end": history.end})
    n = history.counts["customers"]
    metrics = {"revenue": "money", "buyers": "count", "purchases": "count"}
    places: list[tuple[Row, pd.DataFrame]] = [
        ({}, found), ({"level": "tenure", "group": "existing"}, found[found["known"].astype(bool)])
    ]  # fmt: skip
    return [
        {"estimand": name, "metric": metric, "mean": float(rows[name].sum()), "n": n, "n_all": n, **place}
        for place, rows in places
        for name, metric in metrics.items()
    ]


def _equity(fitted: Fitted) -> list[Row]:
    assert fitted.outlook is not None
    drawn, base = fitted.outlook.equity, fitted.customers
    metric = "money" if fitted.data is not None and fitted.data.spend is not None else "count"
    n, new = len(base), int(base["new"].sum())
    rows: list[Row] = [{"estimand": "customer_equity", "metric": metric, "n": n, **summary(drawn.sum(axis=1))}]
    for place, (group, size) in enumerate(zip(TENURE, (n - new, new), strict=True)):
        values = drawn[:, place] if place < drawn.shape[1] else np.zeros(len(drawn))
        rows.append({"estimand": "customer_equity", "metric": metric, "level": "tenure", "group": group, "n": size,
                     **summary(values)})  # fmt: skip
    alive = float(fitted.outlook.customers["p_alive"].sum())
    rows.append({"estimand": "active", "metric": "count", "mean": alive, "n": n})
    rows.append({"estimand": "active", "metric": "share", "mean": alive / n, "n": n})
    return [row | {"n_all": n} for row in rows]


def _holdout(fitted: Fitted) -> list[Row]:
    proof = fitted.proof
    if proof is None:
        return []
    total, n = proof.total, int(proof.classes["n"].sum())
    ends = {"ci_low": total["low"], "ci_high": total["high"], "ci_prob": CI_PROB, "ci_kind": "eti"}
    rows: list[Row] = [
        {"estimand": "holdout_total", "metric": "count", "mean": total["mean"], "n": n, **ends},
        {"estimand": "holdout_actual", "metric": "count", "mean": total["actual"], "n": n},
        {"estimand": "holdout_cover", "metric": "share", "mean": total["customer_cover"], "n": n},
        {"estimand": "holdout_promised", "metric": "share", "mean": total["customer_promised"], "n": n},
    ]
    if total["actual"] > 0:
        off = {k: total[v] / total["actual"] - 1 for k, v in (("ci_low", "low"), ("ci_high", "high"))}
        rows.append({"estimand": "holdout_error", "metric": "rate", "mean": total["error"], "n": n, **ends, **off})
    for level, frame, key in (("class", proof.classes, "x"), ("week", proof.weeks, "week")):
        for row in frame.to_dict("records"):
            size = int(row["n"]) if level == "class" else n
            about = {"level": level, "group": str(int(row[key])), "metric": "mean", "n": size}
            span = {"ci_low": row["low"], "ci_high": row["high"], "ci_prob": CI_PROB, "ci_kind": "eti"}
            rows.append({"estimand": f"holdout_{level}", "mean": row["mean"], **about, **span})
            rows.append({"estimand": f"holdout_{level}_actual", "mean": row["actual"], **about})
    return [row | {"n_all": n} for row in rows]


def _models(fitted: Fitted) -> list[Row]:
    if fitted.choice is None:
        return []
    n = fitted.history.counts["customers"]
    rows: list[Row] = []
    for row in fitted.choice.scores.to_dict("records"):
        about = {"level": "model", "group": row["family"], "n": n, "n_all": n}
        rows.append({"estimand": "model_score", "metric": "mean", "mean": row["behind"], **about})
        rows.append({"estimand": "model_rms", "metric": "rate", "mean": row["rms"], **about})
    for row in fitted.rivals.to_dict("records"):
        about = {"level": "model", "group": row["family"], "n": n, "n_all": n}
        rows.append({"estimand": "model_holdout", "metric": "rate", "mean": row["error"], **about})
    return rows
