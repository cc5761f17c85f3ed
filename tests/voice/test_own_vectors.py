import numpy as np
import pandas as pd
import pytest

from cxlab.errors import DataError
from cxlab.runs import user_files
from cxlab.voice import embedding

ROWS = np.arange(1, 13, dtype=float).reshape(4, 3)
IDS = ["a", "b", "c", "d"]


def test_rows_in_order_serve_texts_in_order(tmp_path):
    np.save(tmp_path / "v.npy", ROWS)
    found = embedding.own_vectors(tmp_path / "v.npy", 4)
    assert found.dtype == np.float32
    assert np.array_equal(found, ROWS)


def test_a_row_a_comment_serves_all_its_clauses(tmp_path):
    np.save(tmp_path / "v.npy", ROWS[:2])
    found = embedding.own_vectors(tmp_path / "v.npy", 5, ids=["x", "x", "y", "x", "y"])
    assert np.array_equal(found, ROWS[[0, 0, 1, 0, 1]])


def test_a_table_is_matched_by_comment_whatever_its_order(tmp_path):
    pd.DataFrame({"comment_id": ["d", "b", "a", "c"], "x": ROWS[[3, 1, 0, 2], 0], "y": 1.0}).to_parquet(
        tmp_path / "v.parquet"
    )
    found = embedding.own_vectors(tmp_path / "v.parquet", 3, ids=["c", "a", "c"])
    assert np.array_equal(found, [[7, 1], [1, 1], [7, 1]])


def test_a_column_of_lists_and_numbers_of_clauses_are_understood(tmp_path):
    table = pd.DataFrame({"comment_id": [1, 1, 2], "clause": [0, 1, 0], "vector": list(ROWS[:3])})
    table.to_parquet(tmp_path / "v.parquet")
    found = embedding.own_vectors(tmp_path / "v.parquet", 3, ids=["2", "1", "1"], clauses=[0, 1, 0])
    assert np.array_equal(found, ROWS[[2, 1, 0]])


def table(path, **columns):
    pd.DataFrame(columns).to_parquet(path)


def objects(path):
    np.save(path, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)


def hole(path):
    rows = ROWS.copy()
    rows[1, 2], rows[3] = np.nan, 0
    np.save(path, rows)


@pytest.mark.parametrize(
    ("name", "write", "wanted"),
    [
        ("v.csv", lambda p: p.write_text("1,2"), r"no file of vectors.*\.csv.*\.npy"),
        ("none.npy", lambda p: p.with_name("nome.npy").write_text(""), r"no such file.*did you mean 'nome\.npy'"),
        ("v.npy", lambda p: p.write_text("no numbers"), r"v\.npy: cannot be read"),
        ("v.npy", objects, r"cannot be read.*no objects"),
        ("v.npy", lambda p: np.save(p, ROWS[:, 0]), r"rows of numbers.*shape \(4,\)"),
        ("v.npy", lambda p: np.save(p, np.array([["a"]])), r"rows of numbers"),
        ("v.npy", lambda p: np.save(p, ROWS[:3]), r"one row for each text.*3 rows.*4 \(texts\)"),
        ("v.npy", hole, r"(?s)not finite.*1 of 4, row 2.*zeros.*1 of 4, row 4"),
        ("v.parquet", lambda p: p.write_text("text"), r"cannot be read"),
        ("v.parquet", lambda p: table(p, comment=IDS, x=1.0), r"no column comment_id.*did you mean 'comment'?"),
        ("v.parquet", lambda p: table(p, comment_id=IDS), r"has no vectors"),
        ("v.parquet", lambda p: table(p, comment_id=IDS, x=1.0, name="n"), r"no numbers.*name"),
        (
            "v.parquet",
            lambda p: table(p, comment_id=IDS, v=[[1.0], [1.0, 2.0], [1.0], [1.0]]),
            r"several lengths.*1, 2",
        ),
        ("v.parquet", lambda p: table(p, comment_id=["a", "a", "b", "c"], x=1.0), r"more than one vector.*1: a"),
        ("v.parquet", lambda p: table(p, comment_id=["a", "b"], x=1.0), r"lacks.*2 of 4 texts: c, d"),
        ("v.parquet", lambda p: table(p, comment_id=IDS, clause=0, x=1.0), r"without their ids"),
    ],
)
def test_a_file_that_does_not_fit_is_told_by_name(tmp_path, name, write, wanted):
    path = tmp_path / name
    write(path)
    with pytest.raises(DataError, match=wanted) as told:
        embedding.own_vectors(path, 4, ids=IDS)
    assert str(path) in str(told.value)


def test_a_keyed_file_needs_the_ids_of_the_texts(tmp_path):
    table(tmp_path / "v.parquet", comment_id=IDS, x=1.0)
    with pytest.raises(DataError, match="without their ids"):
        embedding.own_vectors(tmp_path / "v.parquet", 4)


def test_a_relative_path_is_seen_from_the_home_of_the_notebooks(tmp_path, monkeypatch):
    (tmp_path / "home" / "notebooks").mkdir(parents=True)
    (tmp_path / "home" / "notebooks" / "suite.yaml").write_text("")
    (tmp_path / "home" / "mine").mkdir()
    np.save(tmp_path / "home" / "mine" / "v.npy", ROWS)
    monkeypatch.setenv("CXLAB_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(embedding.own_vectors("mine/v.npy", 4), ROWS)
    (tmp_path / "mine").mkdir()
    np.save(tmp_path / "mine" / "v.npy", ROWS[::-1])
    assert np.array_equal(embedding.own_vectors("mine/v.npy", 4), ROWS[::-1])
    assert user_files.located("minishlab/potion-base-8M").as_posix() == "minishlab/potion-base-8M"
