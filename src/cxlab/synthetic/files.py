"""The client's files as their systems export them: other names, other codes, other ids, other formats in each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cxlab.synthetic import settings as s
from cxlab.synthetic import words
from cxlab.synthetic.answers import EXPECTED, Answers
from cxlab.synthetic.life import Life
from cxlab.synthetic.settings import WorldSettings

_TEXT_OF_OVERALL = {
    0: "", 1: "Very dissatisfied", 2: "Dissatisfied", 3: "Neither nor", 4: "Satisfied", 5: "Very satisfied",
    9: "Prefer not to say",
}  # fmt: skip
_TOPIC_CODES = {"delivery": "10", "quality": "20", "refund": "30", "service": "40", "web": "50", "price": "60"}
_GRACE_DAYS = 4  # exports are made a few days after the quarter: they hold rows of the next one


@dataclass(frozen=True)
class ClientFile:
    """One file of the client: its rows as text and how it is written.

    Attributes
    ----------
    name : str
        File name in the client's folder.
    source : str
        Name of the input in ``params/demo.yaml``.
    frame : DataFrame
        All cells text; "" = empty. Columns starting with ``_`` are notes for the truth and are never written.
    key : tuple of str
        Columns that identify a row.
    delimiter, encoding : str
        Of CSV files.
    """

    name: str
    source: str
    frame: pd.DataFrame
    key: tuple[str, ...] = ()
    delimiter: str = ","
    encoding: str = "utf-8"
    numbers: tuple[str, ...] = field(default=(), metadata={"why": "columns with a numeric type in typed formats"})


def _text(values: pd.Series | np.ndarray) -> np.ndarray:
    """Return values as text; 0 and missing become empty."""
    return np.array(["" if pd.isna(v) or v == 0 else str(v) for v in np.asarray(values, dtype=object)], dtype=object)


def _day(values: pd.Series | np.ndarray, form: str = "%Y-%m-%d") -> np.ndarray:
    return pd.DatetimeIndex(np.asarray(values, dtype="datetime64[s]")).strftime(form).to_numpy(dtype=object)


def _strings(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(object)


def shape_files(
    settings: WorldSettings, people: pd.DataFrame, life: Life, answers: Answers, ids: pd.DataFrame
) -> list[ClientFile]:
    """Shape the world into the files a client would send, still without planted errors."""
    cut = s.last_day(settings.last) + _GRACE_DAYS
    orders = _with_accounts(settings, life.orders, ids)
    orders = orders[orders["date"] <= cut]
    return [
        *_survey_waves(settings, people, answers, ids),
        _expectations(settings, answers),
        _invitations(settings, people, answers, ids),
        _reviews(people, answers),
        _web_orders(people, orders, cut),
        _receipts(people, orders, ids, cut),
        _deliveries(settings, orders, cut),
        _contacts(settings, people, life, ids, cut),
        _mailings(people, life, ids),
        _crm(settings, people, ids),
        _accounts(people, life, ids),
        _events(settings, people, life, ids, cut),
        _actions(settings, people, life, ids, cut),
    ]


def _with_accounts(settings: WorldSettings, orders: pd.DataFrame, ids: pd.DataFrame) -> pd.DataFrame:
    """A third of the orders of those with two accounts run over the second."""
    first, second = (ids[c].to_numpy()[orders["customer"]] for c in ("account", "account2"))
    other = (second > 0) & (settings.stream("second account").random(len(orders)) < 0.35)
    return orders.assign(account=np.where(other, second, first))


def _survey_waves(
    settings: WorldSettings, people: pd.DataFrame, answers: Answers, ids: pd.DataFrame
) -> list[ClientFile]:
    """Three generations of one questionnaire: an old tool, a new tool, and new wordings in the last wave."""
    files = []
    for wave in settings.waves:
        rows = answers.responses[answers.responses["quarter"] == settings.quarters.index(wave)]
        who = rows["customer"].to_numpy()
        old, newest = wave < "2026Q1", wave >= "2026Q3"
        member = ids["member"].to_numpy()[who]
        email = np.where(member > 0, ids["crm_email"].to_numpy()[who], ids["shop_email"].to_numpy()[who])
        number = np.arange(1, len(rows) + 1)
        nps = np.array(["" if v < 0 else str(v) for v in rows["nps"]], dtype=object)
        order = np.array([f"W{v:06d}" if v else "" for v in rows["order"]], dtype=object)
        brand, age, tier, region = (people[c].to_numpy()[who] for c in ("brand", "age", "tier", "region"))
        if old:
            frame = {
                "RESP_NO": number,
                "DATE": _day(rows["date"]),
                "BRAND": np.where(brand == s.BRANDS[0], "A", "B"),
                "MEMBER": _text(member),
                "EMAIL": email,
                "TRIGGER": rows["touchpoint"].map({"delivery": "1", "store": "2", "service": "3"}).to_numpy(),
                "MODE": rows["channel"].to_numpy(),
                "ORDER": order,
                "Q1_RECOMMEND": nps,
                "Q2_OVERALL": rows["overall"].to_numpy(),
                "Q3_EASY": rows["effort"].to_numpy(),
            }
            for k, t in enumerate(s.TOUCHPOINTS):
                if t.name != "app":
                    frame[f"Q4{chr(65 + k)}_{t.name.upper()}"] = rows[f"q_{t.name}"].to_numpy()
            frame |= {
                "Q9_COMMENT": rows["comment"].to_numpy(),
                "AGE": 1 + pd.Categorical(age, categories=list(s.AGES)).codes,
                "REGION": region,
                "TIER": np.char.capitalize(tier.astype(str)),
            }
        else:
            frame = {
                "resp_id": number,
                "answered_on": _day(rows["date"]),
                "brand": pd.Series(brand).map(s.BRAND_NAMES).to_numpy(),
                "member_no": _text(member),
                "e_mail": email,
                "touchpoint": rows["touchpoint"].to_numpy(),
                "channel": rows["channel"].to_numpy(),
                "order_no": order,
                ("recommend_0_10" if newest else "recommend"): nps,
                "overall": rows["overall"].map(_TEXT_OF_OVERALL).to_numpy() if newest else rows["overall"].to_numpy(),
                "easy": rows["effort"].to_numpy(),
            }
            frame |= {f"sat_{t.name}": rows[f"q_{t.name}"].to_numpy() for t in s.TOUCHPOINTS}
            frame |= {"comment": rows["comment"].to_numpy(), "age": age, "region": region, "tier": tier}
        if wave > settings.survey_first:
            frame["WEIGHT" if old else "weight"] = rows["weight"].to_numpy()
        files.append(
            ClientFile(
                f"survey_{wave}.csv",
                "survey",
                _strings(pd.DataFrame(frame).assign(_row=rows.index)),
                key=("RESP_NO" if old else "resp_id",),
                delimiter=";" if old else ",",
                encoding="utf-8-sig" if old else "utf-8",
            )
        )
    return files


def response_numbers(settings: WorldSettings, answers: Answers) -> pd.Series:
    """Return each response's id as the params file builds it: wave, a dash, the number in its file."""
    quarter = answers.responses["quarter"]
    number = quarter.groupby(quarter).cumcount() + 1
    return pd.Series(np.array(settings.quarters, dtype=object)[quarter], index=quarter.index) + "-" + number.astype(str)


def _expectations(settings: WorldSettings, answers: Answers) -> ClientFile:
    parts = response_numbers(settings, answers).str.split("-", expand=True)
    wide = answers.responses[[f"e_{t}" for t in EXPECTED]].set_axis([f"EXP_{t.upper()}" for t in EXPECTED], axis=1)
    long = wide.assign(wave=parts[0], resp_no=parts[1]).melt(
        ["wave", "resp_no"], var_name="question", value_name="answer"
    )
    long = long[long["answer"].notna()].sort_values(["wave", "resp_no", "question"], kind="stable", ignore_index=True)
    return ClientFile("expectations.csv", "expectations", _strings(long), key=("wave", "resp_no", "question"))


def _invitations(settings: WorldSettings, people: pd.DataFrame, answers: Answers, ids: pd.DataFrame) -> ClientFile:
    sent = answers.invitations
    who = sent["customer"].to_numpy()
    member = ids["member"].to_numpy()[who]
    answer = np.full(len(sent), "", dtype=object)
    answer[sent["answered"].to_numpy()] = response_numbers(settings, answers).to_numpy()
    frame = pd.DataFrame(
        {
            "invitation": [f"I{i:06d}" for i in range(1, len(sent) + 1)],
            "sent_on": _day(sent["date"]),
            "brand": people["brand"].map(s.BRAND_NAMES).to_numpy()[who],
            "member_no": _text(member),
            "e_mail": np.where(member > 0, ids["crm_email"].to_numpy()[who], ids["shop_email"].to_numpy()[who]),
            "touchpoint": sent["touchpoint"],
            "channel": sent["channel"],
            "age": people["age"].to_numpy()[who],
            "region": people["region"].to_numpy()[who],
            "tier": people["tier"].to_numpy()[who],
            "answer": answer,
        }
    )
    return ClientFile("invitations.csv", "invitations", _strings(frame), key=("invitation",))


def _reviews(people: pd.DataFrame, answers: Answers) -> ClientFile:
    given = answers.reviews
    frame = pd.DataFrame(
        {
            "review_id": [f"R{i:05d}" for i in range(1, len(given) + 1)],
            "shop": people["brand"].to_numpy()[given["customer"]],
            "posted": _day(given["date"]),
            "stars": given["stars"],
            "body": given["text"],
            "lang": given["language"],
            "order_no": [f"W{v:06d}" if v else "" for v in given["order"]],
            "_row": given.index,
        }
    )
    return ClientFile("reviews.jsonl", "reviews", _strings(frame), key=("review_id",), numbers=("stars",))


def _web_orders(people: pd.DataFrame, orders: pd.DataFrame, cut: np.datetime64) -> ClientFile:
    web = orders[orders["web"]]
    sale = pd.DataFrame(
        {
            "order_no": [f"W{v:06d}" for v in web["order"]],
            "kind": "sale",
            "ordered": web["date"],
            "account_no": web["account"],
            "shop": people["brand"].map(s.BRAND_NAMES).to_numpy()[web["customer"]],
            "article": web["product"] + 1000,
            "amount_cents": web["cents"],
            "margin_cents": web["margin"],
        }
    )
    back = sale.assign(
        kind="return", ordered=web["return_date"], amount_cents=-web["cents"], margin_cents=-web["margin"]
    )[web["returned"] & (web["return_date"] <= cut)]
    rows = pd.concat([sale, back]).sort_values(["ordered", "order_no", "kind"], kind="stable", ignore_index=True)
    rows["ordered"] = _day(rows["ordered"], "%d/%m/%Y")
    return ClientFile("web_orders.csv", "web_orders", _strings(rows), key=("order_no", "kind"))


def _receipts(people: pd.DataFrame, orders: pd.DataFrame, ids: pd.DataFrame, cut: np.datetime64) -> ClientFile:
    shop = orders[~orders["web"]]
    sale = pd.DataFrame(
        {
            "receipt": [f"S{v:06d}" for v in shop["order"]],
            "type": "S",
            "sold_on": shop["date"],
            "member_no": ids["member"].to_numpy()[shop["customer"]],
            "shop": people["brand"].map(s.BRAND_NAMES).str.upper().to_numpy()[shop["customer"]],
            "store": [f"store {v + 1}" for v in shop["store"]],
            "amount": shop["cents"],
        }
    )
    back = sale.assign(type="R", sold_on=shop["return_date"], amount=-shop["cents"])
    back = back[shop["returned"] & (shop["return_date"] <= cut)]
    rows = pd.concat([sale, back]).sort_values(["sold_on", "receipt", "type"], kind="stable", ignore_index=True)
    rows["sold_on"] = _day(rows["sold_on"])
    rows["member_no"] = _text(rows["member_no"])
    # Tills with a decimal comma.
    rows["amount"] = [f"{'-' if v < 0 else ''}{abs(v) // 100},{abs(v) % 100:02d}" for v in rows["amount"].tolist()]
    return ClientFile(
        "store_receipts.csv.gz", "receipts", _strings(rows), key=("receipt", "type"), delimiter=";", encoding="utf-8"
    )


def _deliveries(settings: WorldSettings, orders: pd.DataFrame, cut: np.datetime64) -> ClientFile:
    web = orders[orders["web"] & (orders["delivered"] <= cut)]
    drop = (web["quarter"] >= len(settings.quarters) - 2) & (settings.drop > 0)
    frame = pd.DataFrame(
        {
            "parcel": [f"D{v:06d}" for v in web["order"]],
            "order_no": [f"W{v:06d}" for v in web["order"]],
            "promised_on": _day(web["promised"]),
            "delivered_on": _day(web["delivered"]),
            "carrier": np.where(drop & (web["late_days"] > 0), "Swift Parcel", "City Post"),
        }
    )
    return ClientFile("deliveries.csv", "deliveries", _strings(frame), key=("parcel",))


def _contacts(
    settings: WorldSettings, people: pd.DataFrame, life: Life, ids: pd.DataFrame, cut: np.datetime64
) -> ClientFile:
    cases = life.contacts[life.contacts["date"] <= cut].reset_index(drop=True)
    who = cases["customer"].to_numpy()
    plan = pd.DataFrame(
        {
            "language": people["language"].to_numpy()[who],
            "brand": (people["brand"].to_numpy()[who] == s.BRANDS[1]).astype(int),
            "topics": [[(t, "bad")] for t in cases["topic"]],
            "email": ids["email"].to_numpy()[who],
            "phone": ids["phone"].to_numpy()[who],
        }
    )
    notes, _ = words.compose(plan, rng=settings.stream("notes"), contact_share=0.05)
    has_order = np.isin(cases["order"].to_numpy(), life.orders.loc[life.orders["web"], "order"].to_numpy())
    frame = pd.DataFrame(
        {
            "case": [f"C{i:05d}" for i in range(1, len(cases) + 1)],
            "opened": _day(cases["date"], "%Y%m%d"),
            "customer": ids["desk"].to_numpy()[who],
            "phone": ids["phone"].str.replace(" ", "-").to_numpy()[who],
            "shop": people["brand"].map(s.BRAND_NAMES).to_numpy()[who],
            "topic": cases["topic"].map(_TOPIC_CODES),
            "via": cases["channel"],
            "complaint": np.where(cases["complaint"], "yes", "no"),
            "order_no": np.where(has_order, [f"W{v:06d}" for v in cases["order"]], ""),
            "days_open": cases["days_open"],
            "solved": np.where(cases["solved"], "yes", "no"),
            "note": [t.replace("\n", " ") for t in notes],
        }
    )
    return ClientFile("contacts.csv", "contacts", _strings(frame), key=("case",), delimiter=";", encoding="gb18030")


def _mailings(people: pd.DataFrame, life: Life, ids: pd.DataFrame) -> ClientFile:
    who = np.flatnonzero(life.exposed & (ids["member"].to_numpy() > 0))
    frame = pd.DataFrame(
        {
            "mailing": [f"N{i:05d}" for i in range(1, len(who) + 1)],
            "sent_on": str(s.first_day(s.CAMPAIGN_QUARTER) + 4),
            "member_no": _text(ids["member"].to_numpy()[who]),
            "brand": people["brand"].map(s.BRAND_NAMES).to_numpy()[who],
            "campaign": "spring price promise",
        }
    )
    return ClientFile("mailings.csv", "mailings", _strings(frame), key=("mailing",))


def _crm(settings: WorldSettings, people: pd.DataFrame, ids: pd.DataFrame) -> ClientFile:
    rng = settings.stream("joined")
    first = s.first_day(settings.history_first)
    entered = people["entry"].to_numpy()
    starts = np.array([s.first_day(q) for q in settings.quarters])
    joined = np.where(
        entered < 0, first - rng.integers(30, 1800, len(people)), starts[np.maximum(entered, 0)] + rng.integers(0, 20)
    )
    members = np.flatnonzero(ids["member"].to_numpy() > 0)
    members = members[np.argsort(ids["member"].to_numpy()[members])]
    frame = pd.DataFrame(
        {
            "member_no": ids["member"],
            "joined_on": _day(joined),
            "brand": people["brand"].map(s.BRAND_NAMES),
            "age_group": people["age"],
            "region": people["region"],
            "tier": people["tier"],
            "e_mail": ids["crm_email"],
            "mobile": ids["crm_phone"],
        }
    ).iloc[members]
    return ClientFile("crm_customers.csv", "crm", _strings(frame.reset_index(drop=True)), key=("member_no",))


def _accounts(people: pd.DataFrame, life: Life, ids: pd.DataFrame) -> ClientFile:
    web = life.orders[life.orders["web"]]
    created = web.groupby("customer")["date"].min().reindex(np.arange(len(people))).to_numpy()
    main = pd.DataFrame(
        {
            "account_no": ids["account"],
            "email": ids["shop_email"],
            "phone": ids["shop_phone"],
            "shop": people["brand"],
            "created": created,
        }
    )
    second = main.assign(account_no=ids["account2"], email=ids["shop2_email"])
    rows = pd.concat([main[ids["account"] > 0], second[ids["account2"] > 0]], ignore_index=True)
    rows = rows.sort_values("account_no", ignore_index=True)
    rows["created"] = _day(rows["created"])
    return ClientFile("shop_accounts.parquet", "accounts", _strings(rows), key=("account_no",), numbers=("account_no",))


def _events(
    settings: WorldSettings, people: pd.DataFrame, life: Life, ids: pd.DataFrame, cut: np.datetime64
) -> ClientFile:
    """What happened in the market, and the half of the life events that somebody wrote down."""
    market = [
        (
            "campaign",
            "spring price promise",
            s.CAMPAIGN_BRAND,
            f"{s.CAMPAIGN_QUARTER[:4]}-01-05",
            "2026-03-28",
            "120000",
        ),
        ("price_change", "autumn price list", "alder", "2025-09-15", "", "0.02"),
        ("price_change", "new year price list", "birch", "2026-01-02", "", "0.015"),
        ("competitor", "a discounter opens web shop", "alder", "2026-04-20", "", ""),
        ("competitor", "a discounter opens web shop", "birch", "2026-04-20", "", ""),
    ]
    if settings.drop > 0:
        start = str(s.first_day(settings.last))
        market.append(("operations", "new courier firm", s.DROP_BRAND, start, "", ""))
    rows = pd.DataFrame(market, columns=["kind", "name", "brand", "starts", "ends", "value"]).assign(member_no="")
    mine = life.life_events
    known = (settings.stream("known events").random(len(mine)) < 0.5) & (mine["date"] <= cut).to_numpy()
    known &= ids["member"].to_numpy()[mine["customer"]] > 0
    mine = mine[known]
    personal = pd.DataFrame(
        {
            "kind": "life_event",
            "name": mine["name"],
            "brand": people["brand"].to_numpy()[mine["customer"]],
            "starts": _day(mine["date"]),
            "ends": "",
            "value": "",
            "member_no": _text(ids["member"].to_numpy()[mine["customer"]]),
        }
    )
    rows = pd.concat([rows, personal], ignore_index=True).sort_values("starts", kind="stable", ignore_index=True)
    rows.insert(0, "event", [f"E{i:04d}" for i in range(1, len(rows) + 1)])
    return ClientFile("events.csv", "events", _strings(rows), key=("event",))


def _actions(
    settings: WorldSettings, people: pd.DataFrame, life: Life, ids: pd.DataFrame, cut: np.datetime64
) -> ClientFile:
    """The care team's own list, kept in Excel."""
    rng = settings.stream("actions")
    done = life.follow_ups[life.follow_ups["date"] <= pd.Timestamp(cut)]
    done = done.sort_values("date", kind="stable").reset_index(drop=True)
    who = done["customer"].to_numpy()
    frame = pd.DataFrame(
        {
            "No": [f"F{i:04d}" for i in range(1, len(done) + 1)],
            "Date": _day(done["date"]),
            "Customer": ids["desk"].to_numpy()[who],
            "Shop": people["brand"].map(s.BRAND_NAMES).to_numpy()[who],
            "Team": np.where(done["topic"] == "delivery", "logistics", "customer care"),
            "Owner": [f"agent {v}" for v in rng.integers(1, 9, len(done))],
            "About": done["topic"],
            "What": done["kind"],
            "Result": done["outcome"],
        }
    )
    return ClientFile("follow_ups.xlsx", "follow_ups", _strings(frame), key=("No",))
