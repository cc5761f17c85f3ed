"""Files of what customers say, as the survey tools and the review site export them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.synthetic import settings as s
from cxlab.synthetic.answers import Answers
from cxlab.synthetic.expectations import EXPECTED
from cxlab.synthetic.files import ClientFile, day, strings, text
from cxlab.synthetic.settings import WorldSettings

_TEXT_OF_OVERALL = {
    0: "", 1: "Very dissatisfied", 2: "Dissatisfied", 3: "Neither nor", 4: "Satisfied", 5: "Very satisfied",
    9: "Prefer not to say",
}  # fmt: skip


def said_files(settings: WorldSettings, people: pd.DataFrame, answers: Answers, ids: pd.DataFrame) -> list[ClientFile]:
    """Shape the survey waves, the expectations, the invitations and the reviews, still without planted errors."""
    return [
        *_survey_waves(settings, people, answers, ids),
        _expectations(settings, answers),
        _invitations(settings, people, answers, ids),
        _reviews(people, answers),
    ]


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
                "DATE": day(rows["date"]),
                "BRAND": np.where(brand == s.BRANDS[0], "A", "B"),
                "MEMBER": text(member),
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
                "answered_on": day(rows["date"]),
                "brand": pd.Series(brand).map(s.BRAND_NAMES).to_numpy(),
                "member_no": text(member),
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
                strings(pd.DataFrame(frame).assign(_row=rows.index)),
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
    return ClientFile("expectations.csv", "expectations", strings(long), key=("wave", "resp_no", "question"))


def _invitations(settings: WorldSettings, people: pd.DataFrame, answers: Answers, ids: pd.DataFrame) -> ClientFile:
    sent = answers.invitations
    who = sent["customer"].to_numpy()
    member = ids["member"].to_numpy()[who]
    answer = np.full(len(sent), "", dtype=object)
    answer[sent["answered"].to_numpy()] = response_numbers(settings, answers).to_numpy()
    frame = pd.DataFrame(
        {
            "invitation": [f"I{i:06d}" for i in range(1, len(sent) + 1)],
            "sent_on": day(sent["date"]),
            "brand": people["brand"].map(s.BRAND_NAMES).to_numpy()[who],
            "member_no": text(member),
            "e_mail": np.where(member > 0, ids["crm_email"].to_numpy()[who], ids["shop_email"].to_numpy()[who]),
            "touchpoint": sent["touchpoint"],
            "channel": sent["channel"],
            "age": people["age"].to_numpy()[who],
            "region": people["region"].to_numpy()[who],
            "tier": people["tier"].to_numpy()[who],
            "answer": answer,
        }
    )
    return ClientFile("invitations.csv", "invitations", strings(frame), key=("invitation",))


def _reviews(people: pd.DataFrame, answers: Answers) -> ClientFile:
    given = answers.reviews
    frame = pd.DataFrame(
        {
            "review_id": [f"R{i:05d}" for i in range(1, len(given) + 1)],
            "shop": people["brand"].to_numpy()[given["customer"]],
            "posted": day(given["date"]),
            "stars": given["stars"],
            "body": given["text"],
            "lang": given["language"],
            "order_no": [f"W{v:06d}" if v else "" for v in given["order"]],
            "_row": given.index,
        }
    )
    return ClientFile("reviews.jsonl", "reviews", strings(frame), key=("review_id",), numbers=("stars",))
