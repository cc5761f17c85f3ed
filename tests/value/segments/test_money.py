"""Referrals counted once, whom not to spend on, and what experience adds: arithmetic, recovery, controls."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from value.segments.base import Tables, known, purchases_of

from cxlab.errors import ModelError
from cxlab.value.rfm import backtest
from cxlab.value.rfm import history as rfm
from cxlab.value.segments import contacts
from cxlab.value.segments.experience import effects, learn_effects

WHO = [f"c{i}" for i in range(6)]
VALUES = pd.Series([100.0, 50.0, 20.0, 10.0, -5.0, 0.0], index=WHO)


def pairs(*given: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(list(given), columns=["customer", "referrer"])


def test_a_referral_moves_value_and_makes_none() -> None:
    """Chains, circles, oneself, strangers, whoever is worth less than nothing: the sum stays what it was."""
    some = pairs(("c1", "c0"), ("c2", "c1"), ("c0", "c2"), ("c3", "c3"), ("c4", "c0"), ("c5", "gone"), ("new", "c0"))
    for share in (0.0, 0.3, 1.0):
        found = contacts.credit(VALUES, some, share=share)
        assert found["value"].sum() == pytest.approx(VALUES.sum(), abs=1e-12)
        assert found["credit"].sum() == pytest.approx(found["given"].sum(), abs=1e-12)
    half = contacts.credit(VALUES, some, share=0.5)
    assert half["given"].tolist() == [50, 25, 10, 0, 0, 0]
    assert half["credit"].tolist() == [25, 10, 50, 0, 0, 0]  # what c1 owes comes of its own value, not of its credit
    assert half["brought"].tolist() == [2, 1, 1, 0, 0, 0]
    pd.testing.assert_series_equal(contacts.credit(VALUES, some, share=0.0)["value"], VALUES, check_names=False)


def test_any_net_of_referrals_leaves_the_total_alone() -> None:
    random = np.random.default_rng(1)
    names = np.array([f"c{i}" for i in range(300)], object)
    values = pd.Series(random.gamma(0.5, 200, 300), index=names)
    brought = pairs(*zip(random.permutation(names)[:200], random.choice(names, 200), strict=True))
    found = contacts.credit(values, brought, share=0.4)
    assert found["value"].sum() == pytest.approx(values.sum(), rel=1e-12)
    assert (found["value"] >= 0).all()


def test_referrals_that_cannot_be_are_said_at_once() -> None:
    with pytest.raises(ModelError, match="no share") as caught:
        contacts.credit(VALUES, pairs(("c1", "c0"), ("c1", "c2")), share=1.5)
    assert "brought by two" in str(caught.value)


def people() -> pd.DataFrame:
    return pd.DataFrame({"p_alive": [1.0, 0.9, 0.2, 0.0], "clv_mean": [200.0, 9.0, 4.0, 0.0]})


def test_a_contact_pays_where_it_is_expected_to_bring_more_than_it_costs() -> None:
    found = contacts.contact_policy(people(), cost=1.0, lift=0.1)
    assert found.gain.tolist() == pytest.approx([20.0, 0.9, 0.4, 0.0])
    assert found.spare.tolist() == [False, True, True, True]
    assert found.saved == 3.0
    assert found.forgone == pytest.approx(1.3)
    assert found.break_even[0.5] == pytest.approx(0.65)
    back = contacts.contact_policy(people(), cost=1.0, lift=0.1, winback=0.5)
    assert back.gain[2] == pytest.approx(0.4 + 0.5 * 0.8 * 20)  # of one who left, the value of one like them who stayed
    assert not contacts.contact_policy(people(), cost=0.0).spare.any()
    unknown = contacts.contact_policy(people(), cost=None)
    assert not unknown.spare.any()
    assert unknown.break_even[0.1] > 0


def test_assumptions_that_cannot_be_are_said_at_once() -> None:
    with pytest.raises(ModelError, match="cost of a contact") as caught:
        contacts.contact_policy(people().assign(clv_mean=np.nan), cost=-1.0, winback=2.0)
    assert "won back" in str(caught.value)
    assert "no amounts are known" in str(caught.value)


def outcomes(seed: int, *, by_lot: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Customers with an experience, the forecast of their purchases, what came, and the true factors."""
    random = np.random.default_rng([seed, 9])
    n = 900
    word = random.choice(["bad", "middling", "good", "unknown"], n, p=[0.15, 0.2, 0.4, 0.25])
    effect = np.exp(random.normal(0, 0.3, 3))
    factor = np.array([*effect, 1.0])[[["bad", "middling", "good", "unknown"].index(w) for w in word]]
    expected = random.gamma(0.8, 3.0, n) + 0.2
    alike = random.gamma(2.0, 0.5, n)
    common = np.exp(random.normal(0, 0.1))
    actual = random.poisson(expected * alike * common * (1.0 if by_lot else factor))
    hoped = np.array([expected[word == g].sum() for g in ("bad", "middling", "good")])
    true = np.ones(3) if by_lot else effect / (effect @ hoped / hoped.sum())
    return word, expected, np.sqrt(expected + expected**2 / 2), actual, true


def hits(seed: int, *, by_lot: bool = False) -> np.ndarray:
    word, expected, spread, actual, true = outcomes(seed, by_lot=by_lot)
    found = learn_effects(word, expected, spread, actual, seed=seed)
    assert found is not None
    assert found.groups == ("bad", "middling", "good")
    low, high = np.quantile(found.factor, [0.05, 0.95], axis=0)
    return (true >= low) & (true <= high)


def test_effects_of_experience_are_covered_also_where_there_are_none() -> None:
    assert 0.87 <= np.concatenate([hits(seed) for seed in range(200)]).mean() <= 0.94
    assert np.concatenate([hits(seed, by_lot=True) for seed in range(200)]).mean() >= 0.9


def test_a_strong_effect_is_found_and_one_of_too_few_is_not_looked_at() -> None:
    word, expected, spread, actual, _ = outcomes(1, by_lot=True)
    less = np.where(word == "bad", np.round(actual * 0.4), actual)
    found = learn_effects(word, expected, spread, less, seed=1)
    assert found is not None
    assert np.quantile(found.factor[:, 0], 0.95) < 0.8
    assert (found.table["n"] >= 30).all()
    few = np.where((word == "bad") & (np.arange(900) > 120), "unknown", word)
    small = learn_effects(few, expected, spread, actual, seed=1)
    assert small is not None
    assert small.groups == ("middling", "good")
    assert learn_effects(np.full(900, "unknown"), expected, spread, actual, seed=1) is None


def test_effects_come_from_the_weeks_that_were_held_out() -> None:
    one = known(700, "bgnbd", 4)
    history = rfm.read(Tables(purchases_of(one.world, until=52)))
    proof = backtest.holdout(history, seed=1, families=["bgnbd"], draws=100)
    who = history.customers()["customer"]
    told = pd.DataFrame({"customer": who, "experience": np.random.default_rng(1).choice(["bad", "good"], len(who))})
    found = effects(history, proof, told, seed=1)
    assert found is not None
    assert found.table["actual"].sum() == pytest.approx(proof.total["actual"], abs=1)
    assert effects(history, proof, None, seed=1) is None
