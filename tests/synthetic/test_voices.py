"""What is said in the demo world: true effects of mentions and situations, chats, and their controls."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.synthetic import World, asides, effects
from cxlab.synthetic import settings as s
from cxlab.synthetic.scales import code_probabilities

CONTROLS = ["sizing", "other"]


def told(world: World) -> pd.DataFrame:
    """Return one row a survey comment: mentions (0/1) of each topic and the expected overall code."""
    rows = world.truth.topics.query("source == 'survey'")
    wide = pd.crosstab(rows["id"], rows["topic"]).clip(upper=1).reindex(columns=effects.TOPICS, fill_value=0)
    about = world.truth.responses.set_index("response_id").loc[wide.index]
    share = code_probabilities(about["satisfaction"].to_numpy(), cuts=s.OVERALL_CUTS, scale=s.ANSWER_SCALE)
    return wide.assign(score=share @ np.array(s.OVERALL_CODES), cell=about["brand"] + about["period"])


def slopes(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return least-squares effects of the mentions and their standard errors."""
    X = np.column_stack([rows[list(effects.TOPICS)], pd.get_dummies(rows["cell"])]).astype(float)
    y = rows["score"].to_numpy()
    inverse = np.linalg.inv(X.T @ X)
    slope = inverse @ X.T @ y
    sd = np.sqrt(np.diag(inverse) * ((y - X @ slope) ** 2).sum() / (len(y) - X.shape[1]))
    k = len(effects.TOPICS)
    return pd.Series(slope[:k], effects.TOPICS), pd.Series(sd[:k], effects.TOPICS)


def truth(world: World, kind: str = "topic") -> pd.Series:
    rows = world.truth.topic_effects.query("brand == '' and item == 'overall' and kind == @kind")
    return rows.set_index("topic")["effect"]


def test_true_effects_are_those_of_the_comments_that_were_written(world: World) -> None:
    slope, sd = slopes(told(world))
    z = (slope - truth(world)) / sd
    assert z.abs().max() < 3.5
    assert (truth(world)[["courier", "delivery"]] < -0.1).all()
    assert truth(world)["staff"] > 0.1
    assert truth(world)[CONTROLS].abs().max() < 0.03


def test_mentions_go_with_nothing_where_touchpoints_do_nothing(world: World, switched) -> None:
    silent = truth(switched(touchpoints=0.0)).drop("courier")
    assert silent.abs().max() < 0.06
    assert truth(world).drop("courier").abs().max() > 0.15


def test_shares_of_mentions_are_those_of_the_comments(world: World) -> None:
    rows = told(world)[list(effects.TOPICS)]
    share = world.truth.topic_effects.query("brand == '' and item == 'overall' and kind == 'topic'")
    share = share.set_index("topic")["share"]
    error = np.sqrt(share * (1 - share) / len(rows))
    assert ((rows.mean() - share) / error).abs().max() < 4


def test_presents_are_told_of_by_the_unhappy_and_weekends_by_anybody(world: World) -> None:
    effect = truth(world, "situation")
    assert effect["gift"] < -0.4
    assert effect[["daily", "weekend"]].abs().max() < 0.05
    comments = world.answers.responses.loc[world.answers.responses["comment"] != "", "comment"]
    words = {u: "|".join(asides.PHRASES[u, "en"] + asides.PHRASES[u, "zh"]) for u in asides.SHARES}
    shares = {u: comments.str.contains(rf"[(（](?:{w})[)）]").mean() for u, w in words.items()}
    assert shares["gift"] == pytest.approx(0.037, abs=0.01)
    assert shares["weekend"] == pytest.approx(0.03, abs=0.01)
    texts = world.truth.topics.query("sentence == 1 and source == 'survey'")["text"]
    assert texts.str.contains(r"[(（]").sum() > 100, "the truth has the sentence as it was written"


def test_chances_of_situations_never_exceed_one() -> None:
    chance = asides.shares(np.array([-3.0, 0.0, 3.0]))
    assert chance.shape == (3, len(asides.SHARES))
    assert (chance.sum(axis=1) < 1).all()


def test_chats_have_both_sides_and_end_as_their_contacts(world: World) -> None:
    chats = next(f for f in world.files if f.source == "chats").frame
    cases = next(f for f in world.files if f.source == "contacts").frame.drop_duplicates("case").set_index("case")
    assert set(chats["who"]) == {"agent", "visitor"}
    assert chats["case"].isin(cases.index).all()
    assert (cases.loc[chats["case"], "via"] == "chat").all()
    assert chats.loc[chats["who"] == "agent", "customer"].eq("").all()
    last = chats[chats["turn"] == "5"].set_index("case")["words"]
    pleased = last.str.contains("thank|谢", case=False, regex=True)
    assert (pleased == (cases.loc[last.index, "solved"] == "yes")).all()
    assert 0.2 < pleased.mean() < 0.9
