"""Customers drawn from the models themselves: known truth for tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.value.clv.families import Family


@dataclass(frozen=True)
class World:
    """What is seen of customers, and what is true.

    Attributes
    ----------
    customers : DataFrame
        ``x, recency, age`` (weeks), ``spend`` (average repeat purchase, NaN without one), covariates ``z0, z1, ..``.
    truth : DataFrame
        ``alive`` at the end, ``rate`` of buying, ``leaving`` (rate of leaving while alive), ``future`` (purchases
        within the horizon), ``amount`` (average purchase).
    events : DataFrame
        ``customer`` (row number), ``time`` since the first customer came (weeks), ``amount``; first purchases included,
        the horizon too.
    """

    customers: pd.DataFrame
    truth: pd.DataFrame
    events: pd.DataFrame


def draw(
    n: int,
    *,
    family: Family,
    parameters: tuple[float, float, float, float],
    spend: tuple[float, float, float] = (6.25, 3.74, 15.45),
    weeks: float = 39.0,
    arrivals: float = 12.0,
    horizon: float = 39.0,
    z: np.ndarray | None = None,
    buy: np.ndarray | None = None,
    leave: np.ndarray | None = None,
    together: float = 0.0,
    seed: int,
) -> World:
    """Draw customers who come within the first `arrivals` weeks, are seen until `weeks` and live on.

    Parameters
    ----------
    n : int
    family : str
    parameters : tuple
        r, alpha, a, b or r, alpha, s, beta.
    spend : tuple
        p, q, gamma.
    z : array (n, covariate), optional
    buy, leave : arrays (covariate,), optional
        Effects of covariates, logs.
    together : float
        Power of the rate of buying (over its mean) that amounts are multiplied by; 0: independent.
    """
    random = np.random.default_rng(seed)
    covariates = np.zeros((n, 0)) if z is None else np.asarray(z, float)
    k = covariates.shape[1]
    more = np.exp(covariates @ (np.zeros(k) if buy is None else np.asarray(buy)))
    odds = np.exp(covariates @ (np.zeros(k) if leave is None else np.asarray(leave)))
    r, alpha, third, fourth = parameters
    rate = random.gamma(r, 1 / alpha, n) * more
    begin = np.sort(random.uniform(0, arrivals, n))
    begin -= begin[0]
    age = weeks - begin
    if family == "pareto":
        mu = random.gamma(third, 1 / fourth, n) * odds
        life, chance = random.exponential(size=n) / np.maximum(mu, 1e-300), np.zeros(n)
    else:
        size, share = third + fourth, third * odds / (third * odds + fourth)
        chance, life = random.beta(size * share, size * (1 - share)), np.full(n, np.inf)
        mu = rate * chance
    p, q, gamma = spend
    amount = p * gamma / np.maximum(random.gamma(q, size=n), 1e-300)
    amount = amount * (np.maximum(rate, 1e-12) * alpha / r) ** together

    who, when = [np.arange(n)], [np.zeros(n)]
    now = np.zeros(n)
    going = np.arange(n)
    if family == "mbgnbd":
        stays = random.random(n) >= chance
        going, life[~stays] = going[stays], 0.0
    while len(going):
        now[going] += random.exponential(size=len(going)) / np.maximum(rate[going], 1e-12)
        going = going[now[going] <= np.minimum(life, age + horizon)[going]]
        who.append(going)
        when.append(now[going])
        gone = random.random(len(going)) < chance[going]
        life[going[gone]] = now[going[gone]]
        going = going[~gone]
    customer, time = np.concatenate(who), np.concatenate(when)
    paid = random.gamma(p, size=len(customer)) * (amount / p)[customer]
    again = (time > 0) & (time <= age[customer])
    x = np.bincount(customer[again], minlength=n)
    recency = np.zeros(n)
    np.maximum.at(recency, customer[again], time[again])
    total = np.bincount(customer[again], paid[again], minlength=n)
    seen = pd.DataFrame(
        {"x": x, "recency": recency, "age": age, "spend": np.where(x > 0, total / np.maximum(x, 1), np.nan)}
    )
    for j in range(k):
        seen[f"z{j}"] = covariates[:, j]
    truth = pd.DataFrame(
        {
            "alive": life > age,
            "rate": rate,
            "leaving": mu,
            "future": np.bincount(customer[time > age[customer]], minlength=n),
            "amount": amount,
        }
    )
    events = pd.DataFrame({"customer": customer, "time": begin[customer] + time, "amount": paid})
    return World(seen, truth, events)


def worth(world: World, *, weeks: float, discount: float) -> float:
    """Return what all customers are worth given what each of them truly is (`discount`: continuous rate a week)."""
    gone = world.truth["leaving"] + discount
    each = world.truth["rate"] * -np.expm1(-gone * weeks) / gone * world.truth["amount"]
    return float(each[world.truth["alive"]].sum())
