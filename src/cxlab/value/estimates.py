"""What customers are worth -> rows of the tidy table ``value_estimates``, and one row a customer: ``customer_value``.

Coordinates beside `vocab.ESTIMATE_COLUMNS`: ``from`` and ``to`` (segments of a migration, else empty), ``n_all``
(customers of the whole base).

=======================  ==============================================================================================
estimand                 a row is
=======================  ==============================================================================================
``customer_equity``      discounted contribution of the known customers until the horizon: the sum of the customers'
                         ``clv_mean``; level ``tenure``: new, existing
``revenue``, ``buyers``, ``purchases``: of known customers in the period, counted, no interval; level ``tenure``,
                         existing: of those known before it, which the forecasts of the period before were about
``active``               expected number of customers who have not left, and as a share (metric)
``holdout_total``        purchases foretold for the past that was held out; ``holdout_actual`` what came;
                         ``holdout_plain`` its range by chance alone
``holdout_error``        foretold over actual, less one
``holdout_class``        the same a customer, by repeat purchases before (group); ``holdout_class_actual``
``holdout_week``         by week (group); ``holdout_week_actual``; ``holdout_week_cover`` share of weeks in their range
``holdout_cover``        share of customers within their interval; ``holdout_promised`` what the intervals promise
``shock``                the common error of forecasts of totals (log)
``model_score``          log likelihood behind the best model (level ``model``); ``model_rms`` how far totals were off,
                         ``model_holdout`` the error of its total on the weeks held out, at its likeliest parameters
``dependence``           rank correlation of frequency and amounts; ``dependence_free`` where independence would lie
``buy_ratio``            factor on the rate of buying (level ``covariate``); ``covariate_gain`` of sets of them
``segment_size``         share of the customers in a segment (level ``segment``); `n` those most probably in it
``segment_value``        their discounted contribution until the horizon; ``segment_share`` as a share of all value
``segment_sure``         mean probability of belonging to it, of those most probably in it
``migration``            share of those ``from`` a segment or stage at the end of the period before who are in ``to``
``next_stage``           share of those in a stage now expected in another at the end of the next period
``next_stage_brier``     Brier score of such forecasts in the past (level ``way``: model, base, stay)
``next_stage_skill``     share by which the model's is lower than the best naive one
``segmentation_skill``   share by which a grouping (level ``way``) foretells later spend better than treating all alike
``experience_value``     value of the customers by their latest experience (level ``experience``), a customer
``value_past``           contribution up to now; ``value_present`` what buying so far lets one expect;
``value_change``         what the experience told adds or takes (level ``experience``: by experience)
``spare``                customers a contact does not pay for, as a share; ``spare_value`` what they are worth,
                         ``spare_saved`` what is not spent, ``spare_forgone`` what contacts would have brought;
                         by segment (level ``segment``): share of them
``break_even``           highest cost of a contact that pays for a share of the customers (group), the best first
``referral``             value moved to customers who brought others; `n` those who were brought; ``referrers``
``roc``                  (profit of the period + closing - opening equity) / opening equity, over the period; level
                         ``tenure``: what customers from before and new ones add to it. No yearly rate: a good quarter
                         does not come four times
``profit``               contribution of the period, at its worth at the end
``lifetime_equity``      equity over customers' whole life at the end of the period; ``lifetime_opening``: before
``opening_equity``       equity until the horizon at the begin of the period
``equity_change``        of the equity until the horizon, relative; without a verdict between different seasons
``npv``                  known customers and those to come within the horizon; ``newcomers`` those to come
``repurchase_rate``      share of the customers of the year before who bought in the period;
``service_return_rate``  share of them who came for service
``second_purchase``      probability of a second purchase within 13 weeks by first choice (level: feature)
``second_purchase_over`` against those who chose something else; ``second_purchase_all`` of all new customers
``first_choice``         share of new customers who chose it first (level: feature)
=======================  ==============================================================================================

Opening and closing equity are measured with one posterior, that of today, and the same draws: what is told as a return
is what customers did, not what the model has learned meanwhile.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cxlab.inference.estimates import SURE, summaries, withhold
from cxlab.params.models import Value
from cxlab.report.writing import Number, Period
from cxlab.value import contracts, model, whatif
from cxlab.value.fits import Base, Fitted, Seed
from cxlab.value.people import People, Returned
from cxlab.value.rows import Row, estimate
from cxlab.value.segments.contacts import LIFT
from cxlab.value.segments.cuts import KEYS, STAGES
from cxlab.value.segments.experience import UNKNOWN
from cxlab.value.segments.repurchase import choices, rate_draws
from cxlab.vocab import ESTIMATE_COLUMNS, FORECAST_COLUMNS

if TYPE_CHECKING:
    import xarray as xr

MODEL: Final = "value"
COORDS: Final = ("from", "to", "n_all")
TENURE: Final = ("existing", "new")
EXPERIENCES: Final = ("good", "middling", "bad", UNKNOWN)
UNITS: Final = {"money": "currency", "share": "share", "rate": "share", "count": "customers", "mean": "number"}
EACH: Final = ("p_alive", "expected_purchases", "expected_spend", "clv_mean", "clv_low", "clv_high")


def table(fitted: Fitted, people: People, *, period: str, settings: Value, seed: Seed) -> pd.DataFrame:
    """Return the estimates of a base; a fit that failed its checks gives rows without numbers.

    Parameters
    ----------
    fitted : Fitted
    people : People
    period : str
        The unit's.
    settings : Value
        ``value`` of the params.
    seed : callable
        Name -> seed, `Run.seed`.

    Returns
    -------
    DataFrame
        `vocab.ESTIMATE_COLUMNS` without run and brand, and `COORDS`.
    """
    modelled = contracts.rows(fitted, discount=settings.discount, years=settings.horizon_years)
    if fitted.base is not None:
        modelled += _equity(fitted.base) + _segments(fitted.base, people) + _money(fitted.base, people)
        modelled += _returned(fitted.base, people, settings) + _assumed(fitted)
    first = _first(people)
    failed = [fitted.gate is not None and not fitted.passed] * len(modelled)
    failed += [
        people.gate is not None and not people.gate.passed and row["estimand"] != "first_choice" for row in first
    ]
    rows = [*modelled, *first, *_counted(fitted), *_holdout(fitted), *_models(fitted), *_rates(people, seed)]
    n = fitted.history.counts["customers"]
    whole = _complete(pd.DataFrame([{"n_all": n} | row for row in rows]), period=period)
    return withhold(whole, np.array([*failed, *[False] * (len(rows) - len(failed))]))


def _complete(whole: pd.DataFrame, *, period: str) -> pd.DataFrame:
    """Return rows with every column of the tidy table, blanks filled."""
    given = {
        "item": "value",
        "metric": "money",
        "weighting": "none",
        "level": "total",
        "period": period,
        "model": MODEL,
    }
    for column, text in {**dict.fromkeys(("group", "verdict", "from", "to", "ci_kind"), ""), **given}.items():
        whole[column] = whole[column].fillna(text) if column in whole else text
    whole = whole.reindex(columns=[*(c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand")), *COORDS])
    whole["unit"] = whole["metric"].map(UNITS).fillna("number")
    whole["n_eff"] = whole["n_eff"].astype(float).fillna(whole["n"].astype(float))
    return whole


def customers(fitted: Fitted) -> pd.DataFrame:
    """Return one row a customer, by pseudonym: ``p_alive``, ``expected_purchases``, ``expected_spend``, ``clv_mean``,
    ``clv_low``, ``clv_high`` and what they stand on: ``purchases`` (days of purchase), ``recency``, ``age`` (weeks),
    ``spend`` (average repeat purchase), ``new``, ``segment``, ``p_segment``; empty without a model that passed.
    """  # noqa: D205
    columns = ["customer", *EACH, "purchases", "recency", "age", "spend", "new", "segment", "p_segment"]
    if fitted.base is None or not fitted.passed:
        return pd.DataFrame(columns=columns)
    own = fitted.base.customers.reset_index(drop=True)
    each = fitted.base.outlook.customers[[*EACH, "segment", "p_segment"]]
    return pd.concat([own.assign(purchases=own["x"] + 1), each], axis=1)[columns]


def forecasts(fitted: Fitted, *, target: str) -> pd.DataFrame:
    """Return what the known customers are expected to buy in the next period, as rows of `vocab.FORECAST_COLUMNS`."""
    columns = [c for c in FORECAST_COLUMNS if c not in ("run_id", "brand", "period", "model")]
    if fitted.base is None or not fitted.passed:
        return pd.DataFrame(columns=columns)
    totals = fitted.base.outlook.totals
    drawn = {"purchases": ("count", "purchases", totals["purchases"])}
    if fitted.base.metric == "money":
        drawn["revenue"] = ("money", UNITS["money"], totals["paid"])
    rows = []
    for item, (metric, unit, draws) in drawn.items():
        values = draws.sum([d for d in draws.dims if d != "draw"]).to_numpy()
        ends = dict(
            zip(("q05", "q25", "q50", "q75", "q95"), np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]), strict=True)
        )
        about: Row = {"item": item, "metric": metric, "level": "total", "group": "", "weighting": "none"}
        about |= {"target_period": target, "unit": unit, "mean": float(values.mean()), "sd": float(values.std())}
        rows.append(about | ends)
    return pd.DataFrame(rows, columns=columns)


def facts(fitted: Fitted, *, settings: Value, before: str, target: str) -> dict[str, Any]:
    """Return what messages of the page may name: what amounts mean, days, periods, and what kind of base it is."""
    history, contract, base = fitted.history, fitted.history.contract, fitted.base
    split = contracts.split_of(history) if fitted.proof is None else fitted.proof.split
    weeks = max((split - history.first).days // 7, 0)
    named: dict[str, Any] = {
        "kind": fitted.kind,
        "margin_from": fitted.margin_from,
        "margin": Number(fitted.margin, "share"),
        "currency": settings.currency or "",
        "discount": Number(settings.discount, "share"),
        "years": f"{settings.horizon_years:g}",
        "before": Period(before),
        "target": Period(target),
        "first": Period(history.first.isoformat()),
        "end": Period(history.end.isoformat()),
        "split": Period(split.isoformat()),
        "weeks": str(weeks),
        "reason": contract.reason if contract is not None else "",
        "share": Number(contract.share, "share") if contract is not None else "",
        "days": str(contract.every) if contract is not None else "",
        "family": fitted.data.family if fitted.data is not None else "",
        "origins": str(fitted.choice.origins) if fitted.choice is not None else "",
        "learned": "yes" if fitted.choice is not None and fitted.choice.learned else "",
        "offered": str(len(history.traits.names)) if history.traits is not None else "",
        "used": base.tree.attrs["dependence"].used if base is not None and base.metric == "money" else "",
        "unit": base.cuts.unit if base is not None else "",
    }
    named |= {f"count_{name}": str(n) for name, n in history.counts.items()}
    named["returned"] = Number(history.returned, "rate")
    lift = LIFT if settings.contact_lift is None else settings.contact_lift
    named |= {"lift": Number(lift, "share"), "winback": Number(settings.contact_winback or 0.0, "share")}
    named |= {"referral_share": Number(settings.referral_share, "share"), "asked": ""}
    if settings.contact_cost is not None and settings.contact_lift is not None:
        named |= {"cost": Number(settings.contact_cost, "money"), "asked": "yes"}
    if base is not None:
        form = "money" if base.cuts.unit == "money" else "count"
        named |= {k: Number(v, form) for k, v in zip(("middle", "high"), base.cuts.yearly, strict=True)}
        named |= {k: Number(v, "share") for k, v in zip(("lapsed", "active"), base.cuts.alive, strict=True)}
    return named


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

    if not fitted.passed or fitted.tree is None or fitted.data is None:
        return xr.Dataset(coords={"chain": [0], "draw": [0]})
    drawn = fitted.tree["posterior"].dataset
    out = drawn[[v for v in ("point", "spend_point") if v in drawn]].drop_vars("covariate", errors="ignore")
    named: dict[str, Any] = {"family": fitted.data.family}
    if fitted.data.spend is not None:
        named["spend_scale"] = fitted.data.spend.scale
    if fitted.base is not None:
        worth = fitted.base.outlook.worth("tenure").reindex(tenure=list(TENURE), fill_value=0.0)
        more = whatif.keep(fitted.base, settings=settings, seed=seed)
        out = out.assign(equity=(("look", "tenure"), worth.to_numpy())).assign_coords(tenure=list(TENURE)).merge(more)
        named |= more.attrs
    out.attrs = named
    return out


def _counted(fitted: Fitted) -> list[Row]:
    """What was bought in the period: no model, no interval."""
    history, since = fitted.history, fitted.begin - timedelta(days=1)
    spending = history.spending(since, history.end)
    first = pd.Series(history.visits.first, index=history.visits.names).reindex(spending.index)
    n = history.counts["customers"]
    out: list[Row] = []
    existing: Row = {"level": "tenure", "group": "existing"}
    places: list[tuple[Row, pd.DataFrame]] = [({}, spending)]
    places.append((existing, spending[(first < np.datetime64(fitted.begin)).to_numpy()]))
    for place, some in places:
        out.append(estimate("revenue", some["spent"].sum(), metric="money", n=n, **place))
        out.append(estimate("buyers", len(some), metric="count", n=n, **place))
        out.append(estimate("purchases", some["days"].sum(), metric="count", n=n, **place))
    return out


def _equity(base: Base) -> list[Row]:
    n, new = len(base.customers), int(base.customers["new"].sum())
    worth = base.outlook.worth("tenure")
    about: Row = {"metric": base.metric}
    rows = [estimate("customer_equity", worth.sum("tenure").to_numpy(), n=n, **about)]
    for group, size in zip(TENURE, (n - new, new), strict=True):
        values = worth.sel(tenure=group).to_numpy() if size else np.zeros(worth.sizes["draw"])
        rows.append(estimate("customer_equity", values, level="tenure", group=group, n=size, **about))
    alive = float(base.outlook.customers["p_alive"].sum())
    rows += [estimate("active", v, metric=m, n=n) for v, m in ((alive, "count"), (alive / n, "share"))]
    soon, far = base.ask.near_correction, base.ask.correction
    for group, correction in (("near", soon), ("horizon", far)):
        place: Row = {"metric": "rate", "level": "span", "group": group, "n": n}
        rows.append(estimate("shock", correction.spread, **place))
    return rows


def _segments(base: Base, people: People) -> list[Row]:
    outlook, n = base.outlook, len(base.customers)
    worth, size = outlook.worth("segment"), outlook.totals["size"]
    size = size.sum([d for d in size.dims if d not in ("draw", "segment")])
    total = worth.sum("segment")
    share = worth / total.where(total != 0, 1.0)
    by = outlook.customers.groupby("segment")["p_segment"]
    sure, count = by.mean(), by.size()
    out: list[Row] = []
    for key in KEYS:
        about: Row = {"level": "segment", "group": key, "n": int(count.get(key, 0))}
        out.append(estimate("segment_size", size.sel(segment=key).to_numpy() / n, metric="share", **about))
        out.append(estimate("segment_value", worth.sel(segment=key).to_numpy(), metric=base.metric, **about))
        out.append(estimate("segment_share", share.sel(segment=key).to_numpy(), metric="share", **about))
        if key in sure.index:
            out.append(estimate("segment_sure", float(sure[key]), metric="share", **about))
    for level, moves in people.moves.items():
        ends = {k: moves[k].to_numpy().astype(str) for k in ("from", "to")}
        moved = summaries(moves["migration"].to_numpy()).assign(**ends, group=ends["from"], n=moves["n"].to_numpy())
        out += _records(moved.assign(estimand="migration", level=level, metric="share"))
    if people.ahead is not None:
        grouped = people.ahead.groupby("stage")
        means, sizes = grouped[[f"p_{s}" for s in STAGES]].mean(), grouped.size()
        for stage in (s for s in STAGES if s in sizes.index):
            about = {"metric": "share", "level": "stage", "group": stage, "from": stage, "n": int(sizes[stage])}
            out += [estimate("next_stage", float(means[f"p_{to}"][stage]), to=to, **about) for to in STAGES]
    if people.proof is not None:
        proof = people.proof
        about = {"metric": "score", "level": "way", "n": proof.n}
        for row in proof.scores.to_dict("records"):
            out.append(estimate("next_stage_brier", row["stage"], group=row["way"], **about))
        if np.isfinite(proof.skill):
            low, high = proof.skill_low, proof.skill_high
            out.append(estimate("next_stage_skill", proof.skill, ends=(low, high), metric="share", n=proof.n))
    for row in [] if people.ways is None else people.ways.dropna(subset=["skill"]).to_dict("records"):
        about = {"metric": "rate", "level": "way", "group": row["way"], "n": row["n"], "prob_gt_ref": row["ahead"]}
        out.append(estimate("segmentation_skill", row["skill"], ends=(row["skill_low"], row["skill_high"]), **about))
    return out


def _money(base: Base, people: People) -> list[Row]:
    """Value by experience and its parts, whom not to spend on, referrals."""
    out: list[Row] = []
    n = len(base.customers)
    about: Row = {"metric": base.metric}
    each = base.outlook.customers.assign(new=base.customers["new"].to_numpy())
    totals = base.outlook.totals
    if "experience" in totals.dims:
        worth, sizes = base.outlook.worth("experience"), people.known or {}
        for name in (g for g in EXPERIENCES if sizes.get(g)):
            values = worth.sel(experience=name).to_numpy() / sizes[name]
            out.append(estimate("experience_value", values, level="experience", group=name, n=sizes[name], **about))
        if people.effects is not None:
            present, factor = base.outlook.worth().to_numpy(), people.effects.factor
            factor = factor[np.linspace(0, len(factor) - 1, len(present)).astype(int)] - 1
            change = {
                g: worth.sel(experience=g).to_numpy() * factor[:, i]
                for i, g in enumerate(people.effects.groups)
                if g in sizes
            }
            past = base.history.spending(date.min, base.history.end)["spent"].sum() * base.margin
            told = sum(v for k, v in sizes.items() if k != UNKNOWN)
            out.append(estimate("value_past", past, n=n, **about))
            out.append(estimate("value_present", present, n=n, **about))
            out.append(estimate("value_change", sum(change.values()), ref=0.0, n=told, **about))
            for g, values in change.items():
                place: Row = {"level": "experience", "group": g, "n": sizes[g]}
                out.append(estimate("value_change", values, ref=0.0, **place, **about))
    if people.policy is not None:
        policy = people.policy
        for share, cost in policy.break_even.items():
            out.append(estimate("break_even", cost, level="share", group=f"{share:g}", n=n, **about))
        if people.asked:
            out.append(estimate("spare", policy.spare.mean(), metric="share", n=n))
            worth_left = float(each["clv_mean"][policy.spare].sum())
            for name, value in (("value", worth_left), ("saved", policy.saved), ("forgone", policy.forgone)):
                out.append(estimate(f"spare_{name}", value, n=n, **about))
            for key, some in pd.Series(policy.spare).groupby(each["segment"].to_numpy(), sort=False):
                place = {"level": "segment", "group": str(key), "n": len(some)}
                out.append(estimate("spare", some.mean(), metric="share", **place))
    if people.credit is not None:
        moved = people.credit
        brought = int((moved["given"] > 0).sum())
        out.append(estimate("referral", moved["credit"].sum(), n=brought, **about))
        out.append(estimate("referrers", (moved["credit"] > 0).sum(), metric="count", n=brought))
    return out


def _returned(base: Base, people: People, settings: Value) -> list[Row]:
    out: list[Row] = []
    n, new = len(base.customers), int(base.customers["new"].sum())
    about: Row = {"metric": base.metric}
    here = base.outlook.worth().to_numpy()
    if people.returned is not None:
        back = people.returned
        roc = back.parts.sum(axis=1)
        ref = float((1 + settings.discount) ** back.years - 1)
        out.append(estimate("roc", roc, ref=ref, metric="rate", n=n, verdict=_verdict(roc - ref, 0.0, back)))
        out.append(estimate("profit", back.profit, n=n, **about))
        out.append(estimate("lifetime_opening", back.opening, n=n - new, **about))
        out.append(estimate("lifetime_equity", back.closing, n=n, **about))
        out.append(estimate("opening_equity", back.before, n=n - new, **about))
        for place, (group, size) in enumerate(zip(TENURE, (n - new, new), strict=True)):
            values = back.parts[:, place]
            out.append(estimate("roc", values, metric="rate", level="tenure", group=group, n=size))
        change = here / back.before - 1
        verdict = _verdict(change, settings.practical_change, back)
        out.append(estimate("equity_change", change, ref=0.0, metric="share", n=n - new, verdict=verdict))
    if people.newcomers is not None:
        coming = people.newcomers
        size = min(len(coming), len(here))
        out.append(estimate("newcomers", coming, n=n, **about))
        out.append(estimate("npv", here[:size] + coming[:size], n=n, **about))
    return out


def _verdict(change: np.ndarray, practical: float, back: Returned) -> str:
    """Judge a change; two days of different seasons differ by the season, of which the model knows nothing."""
    if not back.same_season:
        return ""
    low, high = np.quantile(change, [0.05, 0.95])
    if low > -practical and high < practical:
        return "no_real_change"
    up = float((change > 0).mean())
    return "better" if up > SURE else "worse" if 1 - up > SURE else "cannot_tell"


def _assumed(fitted: Fitted) -> list[Row]:
    """What the model takes for granted: independence, and what its covariates do."""
    assert fitted.base is not None
    base, out = fitted.base, list[Row]()
    check = base.tree.attrs.get("dependence")
    if check is not None and np.isfinite(check.correlation):
        about: Row = {"metric": "mean", "n": check.customers}
        verdict = "worse" if check.fails else "no_real_change"
        ends, free = (check.low, check.high), (check.expected_low, check.expected_high)
        out.append(estimate("dependence", check.correlation, ends=ends, verdict=verdict, **about))
        out.append(estimate("dependence_free", sum(free) / 2, ends=free, **about))
    if base.data.covariates:
        drawn = model.estimands(base.tree["posterior"].dataset, base.data)["buy_ratio"].to_numpy()
        place: Row = {"metric": "mean", "level": "covariate", "n": len(base.customers)}
        for i, name in enumerate(base.data.covariates):
            out.append(estimate("buy_ratio", drawn[..., i].ravel(), ref=1.0, group=name, **place))
    for row in [] if fitted.choice is None else fitted.choice.sets.to_dict("records"):
        if row["set"] != "none":
            place = {"metric": "mean", "level": "set", "group": row["set"], "to": str(row["columns"])}
            verdict = "better" if row["kept"] else ""
            out.append(estimate("covariate_gain", row["gain"], verdict=verdict, n=len(base.customers), **place))
    return out


def _first(people: People) -> list[Row]:
    out: list[Row] = []
    if people.first is None:
        return out
    for feature in (f for f in ("product", "channel") if f in people.first.features):
        for row in choices(people.first.spells, feature).to_dict("records"):
            place: Row = {"level": feature, "group": str(row["level"]), "n": int(row["n"])}
            out.append(estimate("first_choice", row["share"], metric="share", **place))
    if people.again is None:
        return out
    drawn = people.again
    n = len(people.first.spells)
    out.append(estimate("second_purchase_all", drawn["again"].to_numpy(), metric="share", n=n))
    rows = pd.DataFrame({"level": drawn["feature"], "n": drawn["n"], "group": drawn["level"]}).astype({"level": str})
    for name, ref in (("second_purchase", None), ("second_purchase_over", 0.0)):
        if len(rows):
            numbers = pd.concat([rows, summaries(drawn[name].to_numpy(), ref=ref)], axis=1)
            if ref is not None:
                up = numbers["prob_gt_ref"]
                numbers["verdict"] = np.select([up > SURE, up < 1 - SURE], ["better", "worse"], "cannot_tell")
            out += _records(numbers.assign(estimand=name, metric="share"))
    return out


def _rates(people: People, seed: Seed) -> list[Row]:
    out: list[Row] = []
    for name, group in people.rates.groupby("rate", sort=False):
        drawn = rate_draws(group["n"].to_numpy(), group["came"].to_numpy(), draws=1000, seed=seed(str(name)))
        columns = {c: group[c].to_numpy() for c in ("n", "period")}
        out += _records(summaries(drawn).assign(estimand=name, metric="share", **columns))
    return out


def _holdout(fitted: Fitted) -> list[Row]:
    proof = fitted.proof
    if proof is None:
        return []
    total, n = proof.total, int(proof.classes["n"].sum())
    ends, actual = (total["low"], total["high"]), total["actual"]
    out = [
        estimate("holdout_total", total["mean"], ends=ends, metric="count", n=n, verdict="" if proof.held else "worse"),
        estimate("holdout_actual", actual, metric="count", n=n),
        estimate("holdout_plain", total["mean"], ends=(total["plain_low"], total["plain_high"]), metric="count", n=n),
    ]
    for name, key in (("cover", "customer_cover"), ("promised", "customer_promised"), ("week_cover", "week_cover")):
        out.append(estimate(f"holdout_{name}", total[key], metric="share", n=n))
    if actual > 0:
        off = (ends[0] / actual - 1, ends[1] / actual - 1)
        out.append(estimate("holdout_error", total["error"], ends=off, metric="rate", n=n))
    for level, frame, key in (("class", proof.classes, "x"), ("week", proof.weeks, "week")):
        for row in frame.to_dict("records"):
            place: Row = {"level": level, "group": str(int(row[key])), "metric": "mean", "n": int(row.get("n", n))}
            out.append(estimate(f"holdout_{level}", row["mean"], ends=(row["low"], row["high"]), **place))
            out.append(estimate(f"holdout_{level}_actual", row["actual"], **place))
    return out


def _models(fitted: Fitted) -> list[Row]:
    if fitted.choice is None:
        return []
    n, out = fitted.history.counts["customers"], list[Row]()
    for row in fitted.choice.scores.to_dict("records"):
        place: Row = {"level": "model", "group": row["family"], "n": n}
        out.append(estimate("model_score", row["behind"], metric="mean", **place))
        out.append(estimate("model_rms", row["rms"], metric="rate", **place))
    for row in fitted.rivals.to_dict("records"):
        place = {"metric": "rate", "level": "model", "group": row["family"], "n": n}
        out.append(estimate("model_holdout", row["error"], **place))
    return out


def _records(table: pd.DataFrame) -> list[Row]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
