"""The page on value on real purchases: the music shop of the literature, a shop where nearly all buy once."""

from __future__ import annotations

from pathlib import Path

import pytest
from value_pages import ROOT, Shown, show


@pytest.fixture(scope="module")
def music(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    home = tmp_path_factory.mktemp("music")
    for name in ("notebooks", "params"):
        (home / name).symlink_to(ROOT / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXLAB_DATA", str(shared_data))
        return show(ROOT / "params" / "examples" / "cdnow.yaml", home, patch, brand="music", period="1998Q2")


def test_the_published_holdout_is_on_the_page(music: Shown) -> None:
    total = music.names["fitted"].proof.total
    assert total["actual"] == 1882
    tried = music.table[music.table["estimand"] == "model_holdout"].set_index("group")["mean"]
    assert tried["bgnbd"] == pytest.approx(-0.121, abs=0.006)
    assert tried["pareto"] == pytest.approx(-0.115, abs=0.006)
    assert tried["mbgnbd"] == pytest.approx(-0.162, abs=0.008)
    assert total["low"] <= 1882 <= total["high"]


def test_the_page_says_why_it_is_not_closer(music: Shown) -> None:
    told = music.sentences["trust"]
    assert "1,882 came, inside that range" in told
    assert "The total was" in told
    assert "less than two years" in told


def test_without_margins_it_speaks_of_sales(music: Shown) -> None:
    assert "in sales" in music.sentences["worth"]
    assert "2,357 known customers" in music.sentences["worth"]


@pytest.mark.slow
def test_a_shop_whose_customers_buy_once_is_told_what_cannot_be_known(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("notebooks", "params"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.setenv("CXLAB_DATA", str(shared_data))
    shown = show(ROOT / "params" / "examples" / "olist.yaml", tmp_path, monkeypatch, brand="home", period="2018Q1")
    told = shown.sentences
    assert "on a second day" in told["worth"] or "worth" in told["worth"]
    few = shown.names["history"].counts
    assert few["again"] < 0.05 * few["customers"]
    assert "cannot be told" in told["experience"] or "worth" in told["experience"]
