"""`cxlab alerts` on files: planted falls are told once, killed calls lose and double nothing, exit codes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab import connect, params
from cxlab.alerts import watch

START, SINCE = date(2025, 7, 7), date(2026, 7, 6)
Client = tuple[params.Params, Path]


@pytest.fixture
def client(tmp_path: Path) -> Callable[..., Client]:
    """A client of 65 weeks: from the fourth week of July 2026 the shop on the high street gets worse."""

    def make(fall: float = 0.35, until: int = 65, extra: str = "") -> Client:
        random = np.random.default_rng(3)
        rows = []
        for week in range(until):
            for k in range(40):
                place = ("web", "store")[k % 2]
                worse = fall if place == "store" and week >= 55 else 0.0
                shares = np.array([0.1 + worse, 0.1, 0.2, 0.3 - worse / 2, 0.3 - worse / 2])
                score = random.choice([3, 6, 8, 9, 10], p=shares)
                day = START + timedelta(days=7 * week + k % 7)
                rows.append((f"R{week:03d}{k:02d}", f"C{k:03d}", day.isoformat(), place, score))
        frame = pd.DataFrame(rows, columns=["id", "customer", "date", "place", "score"])
        frame.to_csv(tmp_path / "survey.csv", index=False)
        (tmp_path / "me.yaml").write_text(
            f"""client: me
brands: [{{id: alder, label: Alder}}]
periods: {{grain: quarter, first: 2025Q3, last: 2026Q3}}
sources:
  survey:
    path: survey.csv
    to: [responses, ratings]
    response_id: id
    customer: customer
    date: date
    touchpoint: place
    items:
      nps: {{column: score, scale: nps11, role: nps, label: Recommendation}}
{extra}""",
            encoding="utf-8",
        )
        return params.load(tmp_path / "me.yaml"), tmp_path

    return make


def called(made: Client, **more: object) -> watch.Result:
    given, place = made
    store = connect.open_store(connect.build(given, place / "stores" / connect.fingerprint(given)))
    return watch.call(given, store, place / "alerts", **more)  # type: ignore[arg-type]


def test_a_fall_is_told_once_with_its_week(client: Callable[..., Client]) -> None:
    made = client()
    first = called(made, since=SINCE)
    streams = {a["stream"] for a in first.alarms}
    assert "alder/nps/touchpoint=store" in streams
    assert "alder/nps/touchpoint=web" not in streams
    alarm = next(a for a in first.alarms if a["stream"].endswith("store"))
    assert abs((date.fromisoformat(alarm["since"]) - (START + timedelta(weeks=55))).days) <= 14
    assert alarm["after"] < alarm["before"] - 20
    assert alarm["kind"] == "change"
    assert called(made, since=SINCE).alarms == []
    assert len(pd.read_csv(made[1] / "alerts" / "alarms.csv")) == len(first.alarms)


def test_what_was_watched_stays_watched(client: Callable[..., Client]) -> None:
    """Later calls go on from the day of the first one; alarms of before are not told again as others."""
    made = client()
    first = called(made, since=SINCE)
    again = called(made)
    assert again.since == first.since
    assert again.alarms == []
    assert again.care == []


def test_without_a_fall_it_is_quiet(client: Callable[..., Client]) -> None:
    assert called(client(fall=0.0), since=SINCE).alarms == []


def test_a_limit_of_the_params(client: Callable[..., Client]) -> None:
    rule = "alerts:\n  rules:\n    floor: {item: nps, below: 30}\n"
    found = called(client(extra=rule), since=SINCE).alarms
    assert any(a["kind"] == "below" and a["limit_value"] == 30 for a in found)
    high = "alerts:\n  rules:\n    floor: {item: nps, below: -50}\n"
    assert not any(a["kind"] == "below" for a in called(client(extra=high), since=SINCE).alarms)


def test_what_a_rule_may_not_say(client: Callable[..., Client]) -> None:
    from cxlab.errors import CxError

    with pytest.raises(CxError, match="satisfaction") as wrong:
        client(extra="alerts:\n  rules:\n    floor: {item: satisfaction, below: 30}\n")
    assert "nps" in str(wrong.value)
    with pytest.raises(CxError, match="either below or above"):
        client(extra="alerts:\n  rules:\n    floor: {item: nps}\n")


def test_unhappy_answers_are_listed_once(client: Callable[..., Client]) -> None:
    before = called(client(until=62), since=SINCE)
    after = called(client(until=65), since=SINCE)
    ids = [c["response_id"] for c in [*before.care, *after.care]]
    assert len(ids) == len(set(ids)) > 20
    assert min(date.fromisoformat(c["date"]) for c in after.care) >= START + timedelta(weeks=62)
    assert {c["state"] for c in before.care} == {"open"}


def test_a_young_stream_is_said_to_be_settling(client: Callable[..., Client]) -> None:
    found = called(client(), since=START + timedelta(weeks=5))
    assert found.watched == []
    assert any("5 weeks before, 12 needed" in text for text in found.settling)


def _child(place: Path) -> None:
    given = params.load(place / "me.yaml")
    called((given, place), since=SINCE)


@pytest.mark.parametrize("kills", [12, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_calls_lose_and_double_nothing(client: Callable[..., Client], kills: int) -> None:
    made = client()
    _, place = made
    whole = called((made[0], place), since=SINCE)
    (place / "alerts").rename(place / "once")
    random, done = np.random.default_rng(8), 0
    fork = multiprocessing.get_context("fork")
    for _ in range(kills):
        child = fork.Process(target=_child, args=(place,))
        child.start()
        time.sleep(float(random.uniform(0.0, 0.4)))
        if child.pid is not None and child.is_alive():
            os.kill(child.pid, signal.SIGKILL)
            done += 1
        child.join()
    assert done >= kills // 3
    last = called(made, since=SINCE)
    tables = {}
    for name in ("once", "alerts"):
        con = sqlite3.connect(place / name / watch.LEDGER)
        tables[name] = {t: con.execute(f"SELECT * FROM {t} ORDER BY 1, 2, 3").fetchall() for t in ("alarms", "care")}
        con.close()
    assert tables["alerts"] == tables["once"]
    assert len(last.alarms) <= len(whole.alarms)
    written = json.loads((place / "alerts" / "alerts.json").read_text(encoding="utf-8"))
    assert len(written["care"]) == len(whole.care)


def test_the_command_says_what_it_found_and_ends_with_ten(client: Callable[..., Client]) -> None:
    _, place = client()
    (place / "notebooks").mkdir()
    (place / "notebooks" / "suite.yaml").write_text("notebooks: []\n", encoding="utf-8")
    command = [sys.executable, "-m", "cxlab", "alerts", str(place / "me.yaml"), "--since", SINCE.isoformat()]
    environment = os.environ | {"CXLAB_HOME": str(place)}
    first = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=place)
    assert first.returncode == 10, first.stderr
    assert "ALARM  Alder, Recommendation (touchpoint store): fell from" in first.stdout
    assert "cries wolf within 52 weeks with probability 5%" in first.stdout
    again = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=place)
    assert again.returncode == 0
    wrong = subprocess.run(
        [*command[:-1], "July"], capture_output=True, text=True, check=False, env=environment, cwd=place
    )
    assert wrong.returncode == 2
    assert "such as 2026-07-01" in wrong.stderr
