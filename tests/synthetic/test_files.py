"""The files are those of a real client: mixed formats, true lines of the planted errors, nobody's data."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from cxlab import params
from cxlab.synthetic import generate, write, write_truth
from cxlab.synthetic.words import bank

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(world, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("demo")
    write(world, place)
    return place


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_equal_settings_give_equal_bytes(folder, tmp_path):
    write(generate(), tmp_path)
    assert digests(tmp_path) == digests(folder)


def test_another_seed_gives_another_world(folder, switched, tmp_path):
    write(switched(seed=1), tmp_path)
    other = digests(tmp_path)
    assert all(other[name] != digest for name, digest in digests(folder).items())


def test_the_folder_is_small_and_holds_no_truth(world, folder, tmp_path):
    assert sum(p.stat().st_size for p in folder.iterdir()) < 10_000_000
    text = b"".join(p.read_bytes() for p in folder.glob("*.csv"))
    assert b"P00001" not in text
    assert b"_fault" not in text
    written = write_truth(world, tmp_path)
    assert {p.stem for p in written} >= {"scores", "identities", "topics", "panel", "rejects"}


def test_waves_rename_their_columns(folder):
    old = pd.read_csv(folder / "survey_2025Q3.csv", sep=";", dtype=str)
    new = pd.read_csv(folder / "survey_2026Q3.csv", dtype=str)
    assert "Q1_RECOMMEND" in old
    assert "recommend_0_10" in new
    assert "WEIGHT" not in old  # the first wave has none
    assert not [c for c in old if "APP" in c]  # and did not ask about the app
    assert set(new["overall"].dropna()) <= {
        "Very dissatisfied", "Dissatisfied", "Neither nor", "Satisfied", "Very satisfied", "Prefer not to say",
    }  # fmt: skip
    assert {"0", "6", "9"} <= set(old["Q4A_DELIVERY"])


def test_chinese_is_written_in_the_encodings_that_clients_use(folder):
    survey = (folder / "survey_2025Q3.csv").read_bytes()
    assert survey.startswith(b"\xef\xbb\xbf")
    assert re.search("[一-鿿]", survey.decode("utf-8-sig"))
    contacts = (folder / "contacts.csv").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        contacts.decode("utf-8")
    assert re.search("[一-鿿]", contacts.decode("gb18030"))
    lines = (folder / "reviews.jsonl").read_text(encoding="utf-8").splitlines()
    assert any(re.search("[一-鿿]", json.loads(line)["body"]) for line in lines)


def test_planted_errors_stand_where_the_truth_says(world, folder):
    rejects = world.truth.rejects
    assert len(rejects) > 40
    for row in rejects.itertuples():
        path = folder / row.file
        if row.file.endswith(".jsonl"):
            assert str(json.loads(path.read_text(encoding="utf-8").splitlines()[row.line - 1])[row.column]) == row.value
            continue
        raw = gzip.decompress(path.read_bytes()) if row.file.endswith(".gz") else path.read_bytes()
        encoding = next(f.encoding for f in world.files if f.name == row.file)
        line = raw.decode(encoding).split("\n")[row.line - 1]
        assert row.value in re.split("[,;]", line), row


def test_one_row_in_a_hundred_at_most_is_wrong(world):
    rows = pd.Series({f.name: len(f.frame) for f in world.files})
    wrong = world.truth.rejects.query("level != 'value'").groupby("file").size()
    assert (wrong / rows.loc[wrong.index]).max() < 0.01


def test_without_dirt_nothing_is_wrong(switched):
    clean = switched(dirt=0.0)
    assert clean.truth.rejects.empty
    reviews = next(f for f in clean.files if f.name == "reviews.jsonl").frame
    assert reviews["body"].value_counts().max() < 14


def test_nobody_real_is_in_it(folder):
    """E-mail domains are reserved by RFC 2606, numbers are 555-01xx or of an unassigned Chinese block."""
    texts = [
        p.read_text(encoding="utf-8")
        for p in folder.glob("*")
        if p.suffix in (".csv", ".jsonl") and p.stem != "contacts"
    ]
    texts.append((folder / "contacts.csv").read_text(encoding="gb18030"))
    accounts = pd.read_parquet(folder / "shop_accounts.parquet")
    texts += accounts["email"].tolist() + accounts["phone"].tolist()
    everything = "\n".join(texts)
    domains = set(re.findall(r"@([a-z.]+[a-z])", everything.lower()))
    assert domains == {"example.com", "example.org", "example.net", "mail.example", "stores.example"}
    mobiles = re.findall(r"(?<!\d)1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)", everything)
    assert len(mobiles) > 500
    assert all(re.sub(r"\D", "", m).startswith("1540000") for m in mobiles)
    western = re.findall(r"\+1[ -]\d{3}[ -]\d{3}[ -]\d{4}", everything)
    assert len(western) > 500
    assert all(re.fullmatch(r"\+1[ -]\d{3}[ -]555[ -]01\d\d", n) for n in western)


def test_ids_of_two_systems_collide_and_belong_to_different_people(world):
    ids = world.truth.identities
    both = ids[ids["system"] == "member"].merge(ids[ids["system"] == "account"], on="key")
    assert len(both) > 1000
    assert (both["true_id_x"] != both["true_id_y"]).mean() > 0.99
    assert not ids.duplicated(["system", "key"]).any()


def test_without_silos_every_customer_has_one_address(switched):
    clean = switched(silos=0.0)
    crm = next(f for f in clean.files if f.source == "crm").frame.set_index("member_no")
    shop = next(f for f in clean.files if f.source == "accounts").frame.set_index("account_no")
    assert crm["e_mail"].is_unique
    ids = clean.truth.identities.pivot(index="true_id", columns="system", values="key").dropna(subset=["account"])
    assert (
        crm.loc[ids["member"].astype(int), "e_mail"].to_numpy()
        == shop.loc[ids["account"].astype(int), "email"].to_numpy()
    ).all()


def test_every_sentence_can_be_said_in_both_languages():
    kinds = {(topic, tone) for topic, tone, _ in bank()}
    assert all((topic, tone, language) in bank() for topic, tone in kinds for language in ("en", "zh"))
    sentences = [text for group in bank().values() for text in group]
    assert len(sentences) == len(set(sentences)) > 180


def test_the_params_file_names_every_file(world):
    demo = params.desugar(params.load(ROOT / "params" / "demo.yaml"))
    assert set(demo.inputs) == {f.source for f in world.files}
    assert demo.languages == ["en", "zh"]
