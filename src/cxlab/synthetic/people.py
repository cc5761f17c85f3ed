"""The true customers: who they are before anything happens, and the names their systems know them by."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.synthetic import settings as s
from cxlab.synthetic.settings import WorldSettings

_GIVEN = (
    "mei",
    "li",
    "anna",
    "tom",
    "jun",
    "eva",
    "wei",
    "sam",
    "lena",
    "hao",
    "nina",
    "max",
    "yan",
    "rosa",
    "bo",
    "kim",
)
_FAMILY = (
    "chen",
    "baker",
    "wang",
    "meyer",
    "liu",
    "stone",
    "zhao",
    "field",
    "sun",
    "wood",
    "he",
    "rivers",
    "xu",
    "hill",
)
_DOMAINS = ("example.com", "example.org", "example.net", "mail.example")


def draw_people(settings: WorldSettings) -> pd.DataFrame:
    """Draw the customers, one row each, indexed 0..N-1.

    Returns
    -------
    DataFrame
        ``true_id``, ``brand``, ``age``, ``region``, ``tier``, ``language`` (en, zh), ``trait`` (stable satisfaction,
        latent units), ``rate`` (orders a quarter), ``basket`` (log mean basket), ``web_share``, ``app_user``,
        ``entry`` (index of the first quarter, -1 = before the history) and the latent base satisfaction ``base``.
    """
    rng = settings.stream("people")
    n = settings.customers
    brand = rng.choice(2, n, p=s.BRAND_SHARE)
    age = (rng.random(n)[:, None] > np.cumsum(np.array(s.AGE_SHARE)[brand], axis=1)[:, :-1]).sum(axis=1)
    tier = rng.choice(3, n, p=s.TIER_SHARE)
    region = rng.choice(4, n, p=s.REGION_SHARE)
    web_mean = np.array(s.AGE_WEB)[age]
    trait = rng.normal(0.0, 0.55, n)
    base = np.array(s.BRAND_SATISFACTION)[brand] + settings.segments * (
        np.array(s.AGE_SATISFACTION)[age] + np.array(s.TIER_SATISFACTION)[tier]
    )
    quarters = len(settings.quarters) - 1
    return pd.DataFrame(
        {
            "true_id": [f"P{i:05d}" for i in range(n)],
            "brand": np.array(s.BRANDS)[brand],
            "age": np.array(s.AGES)[age],
            "region": np.array(s.REGIONS)[region],
            "tier": np.array(s.TIERS)[tier],
            "language": np.where(rng.random(n) < s.CHINESE_SHARE, "zh", "en"),
            "trait": trait,
            "base": base,
            "rate": rng.gamma(1.8, 1.25 / 1.8, n) * np.array(s.TIER_RATE)[tier],
            "basket": rng.normal(np.log(46.0), 0.40, n),
            "web_share": rng.beta(6 * web_mean, 6 * (1 - web_mean)),
            "app_user": rng.random(n) < 0.25 + 0.3 * web_mean,
            "entry": np.where(rng.random(n) < 0.74, -1, rng.integers(0, quarters, n)),
        }
    )


def phone(index: np.ndarray, *, chinese: np.ndarray) -> np.ndarray:
    """Return numbers nobody has: North American 555-01xx, and Chinese mobiles of the unassigned 154 0000 block."""
    western = [f"+1 {201 + i // 100 % 780} 555 01{i % 100:02d}" for i in index.tolist()]
    eastern = [f"+86 154 0000 {i % 10_000:04d}" for i in index.tolist()]
    return np.where(chinese, eastern, western)


def draw_identities(settings: WorldSettings, people: pd.DataFrame, *, shops_online: np.ndarray) -> pd.DataFrame:
    """Give each customer the ids of the systems that know them.

    Parameters
    ----------
    settings : WorldSettings
        `silos` scales every kind of conflict; at 0 all systems hold the same unique e-mail and phone.
    people : DataFrame
        From `draw_people`.
    shops_online : ndarray of bool, shape (N,)
        Customers with at least one web order: they have a shop account.

    Returns
    -------
    DataFrame
        One row a customer: ``member`` and ``account`` (integers from the same range, 0 = none: the same number means
        different people in the two systems), ``account2`` (a forgotten second account), ``desk`` (call centre id),
        ``crm_email``, ``crm_phone``, ``shop_email``, ``shop_phone``, ``shop2_email`` ("" = not known).
    """
    rng = settings.stream("identities")
    n = len(people)
    index = np.arange(n)
    chinese = (people["language"] == "zh").to_numpy()
    given, family, domain = (rng.integers(0, len(x), n) for x in (_GIVEN, _FAMILY, _DOMAINS))
    email = np.array(
        [f"{_GIVEN[g]}.{_FAMILY[f]}{i}@{_DOMAINS[d]}" for i, g, f, d in zip(index, given, family, domain, strict=True)]
    )
    old_email = np.array(
        [
            f"{_FAMILY[f]}{i}.{_GIVEN[g]}@{_DOMAINS[d - 1]}"
            for i, g, f, d in zip(index, given, family, domain, strict=True)
        ]
    )
    telephone = phone(index, chinese=chinese)

    def happens(share: float) -> np.ndarray:
        return rng.random(n) < share * settings.silos

    is_member = (people["tier"] != "basic").to_numpy() | ~happens(0.40)
    has_account = shops_online
    crm_email = np.where(happens(0.06), old_email, email)
    shouted = happens(0.15)
    crm_email = np.where(shouted, np.char.add(np.char.upper(crm_email), " "), crm_email)
    crm_email = np.where(happens(0.12), "", crm_email)
    crm_email = np.where(happens(0.006), "frontdesk@stores.example", crm_email)
    crm_phone = np.where(happens(0.25), "", np.where(happens(0.5), np.char.replace(telephone, " ", "-"), telephone))
    shop_phone = np.where(happens(0.20), "", telephone)
    shop_email = email.copy()
    # A partner's account on one address: exact keys cannot tell the two apart.
    couples = np.flatnonzero(happens(0.006) & has_account)
    couples = couples[couples + 1 < n]
    shop_email[couples] = email[couples + 1]
    second = happens(0.03) & has_account
    account = np.where(has_account, 100_001 + rng.permutation(n), 0)
    return pd.DataFrame(
        {
            "true_id": people["true_id"],
            "member": np.where(is_member, 100_001 + rng.permutation(n), 0),
            "account": account,
            "account2": np.where(second, 100_001 + n + index, 0),
            "desk": 700_000 + rng.permutation(n),
            "email": email,
            "phone": telephone,
            "crm_email": np.where(is_member, crm_email, ""),
            "crm_phone": np.where(is_member, crm_phone, ""),
            "shop_email": np.where(has_account, shop_email, ""),
            "shop_phone": np.where(has_account, shop_phone, ""),
            "shop2_email": np.where(second, old_email, ""),
        }
    )
