"""Files of what customers do, and of who they are: each system with its own ids, codes and date format."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.synthetic import settings as s
from cxlab.synthetic import words
from cxlab.synthetic.chats import chats_file
from cxlab.synthetic.files import ClientFile, day, strings, text
from cxlab.synthetic.life import Life
from cxlab.synthetic.settings import WorldSettings

_TOPIC_CODES = {"delivery": "10", "quality": "20", "refund": "30", "service": "40", "web": "50", "price": "60"}
_GRACE_DAYS = 4  # exports are made a few days after the quarter: they hold rows of the next one


def done_files(settings: WorldSettings, people: pd.DataFrame, life: Life, ids: pd.DataFrame) -> list[ClientFile]:
    """Shape orders, deliveries, contacts, directories, events and actions, still without planted errors."""
    cut = s.last_day(settings.last) + _GRACE_DAYS
    orders = with_accounts(settings, life.orders, ids)
    orders = orders[orders["date"] <= cut]
    return [
        _web_orders(people, orders, cut),
        _receipts(people, orders, ids, cut),
        _deliveries(settings, orders, cut),
        _contacts(settings, people, life, ids, cut),
        chats_file(settings, people, life, ids, cut),
        _mailings(people, life, ids),
        _crm(settings, people, ids),
        _accounts(people, life, ids),
        _events(settings, people, life, ids, cut),
        _actions(settings, people, life, ids, cut),
    ]


def with_accounts(settings: WorldSettings, orders: pd.DataFrame, ids: pd.DataFrame) -> pd.DataFrame:
    """A third of the orders of those with two accounts run over the second."""
    first, second = (ids[c].to_numpy()[orders["customer"]] for c in ("account", "account2"))
    other = (second > 0) & (settings.stream("second account").random(len(orders)) < 0.35)
    return orders.assign(account=np.where(other, second, first))


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
    rows["ordered"] = day(rows["ordered"], "%d/%m/%Y")
    return ClientFile("web_orders.csv", "web_orders", strings(rows), key=("order_no", "kind"))


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
    rows["sold_on"] = day(rows["sold_on"])
    rows["member_no"] = text(rows["member_no"])
    # Tills with a decimal comma.
    rows["amount"] = [f"{'-' if v < 0 else ''}{abs(v) // 100},{abs(v) % 100:02d}" for v in rows["amount"].tolist()]
    return ClientFile(
        "store_receipts.csv.gz", "receipts", strings(rows), key=("receipt", "type"), delimiter=";", encoding="utf-8"
    )


def _deliveries(settings: WorldSettings, orders: pd.DataFrame, cut: np.datetime64) -> ClientFile:
    web = orders[orders["web"] & (orders["delivered"] <= cut)]
    drop = (web["quarter"] >= len(settings.quarters) - 2) & (settings.drop > 0)
    frame = pd.DataFrame(
        {
            "parcel": [f"D{v:06d}" for v in web["order"]],
            "order_no": [f"W{v:06d}" for v in web["order"]],
            "promised_on": day(web["promised"]),
            "delivered_on": day(web["delivered"]),
            "carrier": np.where(drop & (web["late_days"] > 0), "Swift Parcel", "City Post"),
        }
    )
    return ClientFile("deliveries.csv", "deliveries", strings(frame), key=("parcel",))


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
            "opened": day(cases["date"], "%Y%m%d"),
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
    return ClientFile("contacts.csv", "contacts", strings(frame), key=("case",), delimiter=";", encoding="gb18030")


def _mailings(people: pd.DataFrame, life: Life, ids: pd.DataFrame) -> ClientFile:
    who = np.flatnonzero(life.exposed & (ids["member"].to_numpy() > 0))
    frame = pd.DataFrame(
        {
            "mailing": [f"N{i:05d}" for i in range(1, len(who) + 1)],
            "sent_on": str(s.first_day(s.CAMPAIGN_QUARTER) + 4),
            "member_no": text(ids["member"].to_numpy()[who]),
            "brand": people["brand"].map(s.BRAND_NAMES).to_numpy()[who],
            "campaign": "spring price promise",
        }
    )
    return ClientFile("mailings.csv", "mailings", strings(frame), key=("mailing",))


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
            "joined_on": day(joined),
            "brand": people["brand"].map(s.BRAND_NAMES),
            "age_group": people["age"],
            "region": people["region"],
            "tier": people["tier"],
            "e_mail": ids["crm_email"],
            "mobile": ids["crm_phone"],
        }
    ).iloc[members]
    return ClientFile("crm_customers.csv", "crm", strings(frame.reset_index(drop=True)), key=("member_no",))


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
    rows["created"] = day(rows["created"])
    return ClientFile("shop_accounts.parquet", "accounts", strings(rows), key=("account_no",), numbers=("account_no",))


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
        ("price_change", "spring price list", "alder", s.PRICE_LIST_DAY, "", "0.02"),
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
            "starts": day(mine["date"]),
            "ends": "",
            "value": "",
            "member_no": text(ids["member"].to_numpy()[mine["customer"]]),
        }
    )
    rows = pd.concat([rows, personal], ignore_index=True).sort_values("starts", kind="stable", ignore_index=True)
    rows.insert(0, "event", [f"E{i:04d}" for i in range(1, len(rows) + 1)])
    return ClientFile("events.csv", "events", strings(rows), key=("event",))


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
            "Date": day(done["date"]),
            "Customer": ids["desk"].to_numpy()[who],
            "Shop": people["brand"].map(s.BRAND_NAMES).to_numpy()[who],
            "Team": np.where(done["topic"] == "delivery", "logistics", "customer care"),
            "Owner": [f"agent {v}" for v in rng.integers(1, 9, len(done))],
            "About": done["topic"],
            "What": done["kind"],
            "Result": done["outcome"],
        }
    )
    return ClientFile("follow_ups.xlsx", "follow_ups", strings(frame), key=("No",))
