"""What is stale, and why. Nothing is executed here: runs are laid down as the batch does, then something changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
import small_suite

from cxlab import params as grammar
from cxlab import runs
from cxlab.batch import keys, suite
from cxlab.batch.plan import Node, Plan, Step, make, select
from cxlab.errors import ParamsError
from cxlab.params import reads
from cxlab.params.models import Params
from cxlab.params.reads import watch


def plan_of(home: small_suite.Home, *, draws: int = 0, fresh: bool = False, **asked: Any) -> Plan:
    params = grammar.load(home.params, overrides={"model": {"draws": draws}} if draws else None)
    contents = suite.load(home.path)
    fingerprint, store = runs.build_store(params, home.path)
    tables = sorted({t for n in contents.notebooks for t in n.data})
    return make(
        params,
        select(params, contents, **asked),
        params_file=str(home.params),
        suite=contents,
        store=runs.store_dir(home.path, "me", fingerprint),
        fingerprint=fingerprint,
        partitions=store.partitions(tables),
        fresh=fresh,
    )


def reads_of(step: Step, params: Params) -> dict[str, str]:
    """What the notebook would read of the params, and the values there."""
    paths: list[tuple[str, ...]] = []
    watched = watch(params, paths.append)
    assert isinstance(watched, Params)
    READS.get(step.node.notebook, lambda params: None)(watched)
    return reads.digests(step.visible, paths)


def count(params: Params) -> object:
    first = {name: item.label for name, item in grammar.items(params).items()}
    return first, params.limits.min_n, params.model.seed, params.targets.get("recommend"), params.value.currency


def share(params: Params) -> object:
    assert params.index is None
    brand = params.brands[0]
    return (
        brand.id,
        brand.label,
        params.journey.labels.get("store"),
        params.voice.k,
        params.value.discount,
        params.label,
    )


READS: dict[str, Callable[[Params], object]] = {"10_count": count, "20_share": share}


def carry_out(plan: Plan, *, fail: str = "") -> Plan:
    """Lay down the runs of a plan as if every notebook had succeeded, but for the one named."""
    ended: dict[Node, runs.Record] = {}
    for unit in [u for u in plan.units() if u in plan.new]:
        folder = plan.targets[unit].create({})
        for step in plan.of_unit(unit):
            name = step.node.notebook
            if step.found:
                folder.adopt(step.found[1], step.found[0])
            elif step.state == "no_data":
                folder.save(runs.Record(name, "no_data", error=step.why))
            elif step.state == "stale" and name != fail:
                paths = [folder.artefact(w, name) for w in step.notebook.writes]
                for path in paths:
                    runs.write_json(path, [step.key])
                step.parts["upstream"] = plan.upstream(step, ended)
                read = reads_of(step, plan.params)
                key, artefacts = keys.key_of(step.parts, read), folder.hashes(paths)
                ended[step.node] = runs.Record(name, "ok", key, step.parts, read, artefacts=artefacts)
                folder.save(ended[step.node])
            elif step.state == "stale":
                folder.save(runs.Record(name, "failed", step.key, step.parts))
        folder.close({"state": "failed" if fail else "good"})
    return plan


def stale(plan: Plan) -> dict[str, str]:
    return {str(s.node): s.why for s in plan.stale()}


def edit(home: small_suite.Home, name: str, change: Any) -> None:
    path = home.path / "notebooks" / "templates" / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


ALL = {f"{n} {b}/2025Q{q}" for n in ("10_count", "20_share") for b in ("north", "south") for q in (1, 2)}


def test_first_everything_then_nothing(home: small_suite.Home) -> None:
    first = carry_out(plan_of(home))
    assert stale(first) == dict.fromkeys(ALL, "it has not run yet")
    second = plan_of(home)
    assert stale(second) == {}
    assert second.new == set()
    assert second.targets == first.targets


def test_each_comes_after_what_it_reads(home: small_suite.Home) -> None:
    plan = plan_of(home)
    place = {n: i for i, n in enumerate(plan.steps)}
    assert all(place[need.node] < place[n] for n, s in plan.steps.items() for need in s.needs)


def test_a_new_period_runs_only_its_own_units(home: small_suite.Home) -> None:
    carry_out(plan_of(home))
    home.client(last="2025Q3")
    for brand in home.brands:
        home.answers(brand, "2025Q3")
    plan = plan_of(home)
    assert set(stale(plan)) == {f"{n} {b}/2025Q3" for n in ("10_count", "20_share") for b in home.brands}
    assert {u.period for u in plan.new} == {"2025Q3"}


def test_a_late_answer_changes_its_period_and_those_after_it_of_its_brand(home: small_suite.Home) -> None:
    carry_out(plan_of(home))
    home.answers("south", "2025Q2", n=1, seed=1)
    assert set(stale(plan_of(home))) == {"10_count south/2025Q2", "20_share south/2025Q2"}
    carry_out(plan_of(home))
    home.answers("north", "2025Q1", n=1, seed=1)
    late = stale(plan_of(home))
    assert set(late) == {f"{n} north/2025Q{q}" for n in ("10_count", "20_share") for q in (1, 2)}
    assert late["10_count north/2025Q2"] == "its data changed"
    assert late["20_share north/2025Q2"] == "its data and what it reads from changed"


def test_the_same_data_in_another_place_changes_nothing(home: small_suite.Home) -> None:
    carry_out(plan_of(home))
    (home.path / "data").rename(home.path / "moved")
    (home.path / "data").mkdir()
    (home.path / "moved" / ".keys").rename(home.path / "data" / ".keys")
    home.params.write_text(home.params.read_text().replace("../data", "../moved"))
    assert stale(plan_of(home)) == {}


COUNT, SHARE = ({n for n in ALL if n.startswith(kind)} for kind in ("10", "20"))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("label: Recommend", "label: Would recommend", "items"),
        ("client: me", "client: me\nlimits: {min_n: 5}", "limits.min_n"),
        ("client: me", "client: me\nmodel: {seed: 7}", "model.seed"),
        ("client: me", "client: me\ntargets: {recommend: {nps: 30}}", "targets.recommend"),
        ("client: me", "client: me\nvalue: {currency: EUR}", "value.currency"),
    ],
)
def test_what_the_first_reads_runs_it_and_what_reads_it(home: small_suite.Home, old: str, new: str, why: str) -> None:
    carry_out(plan_of(home))
    change(home, old, new)
    first = dict.fromkeys(COUNT, f"{why} changed")
    assert stale(plan_of(home)) == first | dict.fromkeys(SHARE, "what it reads from changed")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("brands: [north, south]", "brands: [{id: north, label: North & Co}, south]", "brands.north.label"),
        ("client: me", "client: me\nlabel: The client", "label"),
        ("client: me", "client: me\njourney: {labels: {store: The shop}}", "journey.labels.store"),
        ("client: me", "client: me\nvoice: {k: 12}", "voice.k"),
        ("client: me", "client: me\nvalue: {discount: 0.2}", "value.discount"),
    ],
)
def test_what_only_the_second_reads_runs_only_that(home: small_suite.Home, old: str, new: str, why: str) -> None:
    carry_out(plan_of(home))
    change(home, old, new)
    brands = ["north"] if why.startswith("brands") else ["north", "south"]
    assert stale(plan_of(home)) == {n: f"{why} changed" for n in SHARE if any(b in n for b in brands)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("client: me", "client: me\nmodel: {draws: 500}"),  # neither reads it
        ("client: me", "client: me\nvalue: {horizon_years: 5}"),
        ("client: me", "client: me\ntargets: {store: {mean: 3}}"),
        ("brands: [north, south]", "brands: [north, south, {id: rival, label: Rival, competitor: true}]"),
        ("survey*.csv", "survey-*.csv"),  # where data comes from: its content counts
        ("client: me", "client: me\nnotebooks: [10_count, 20_share]"),
    ],
)
def test_what_nobody_reads_runs_nothing(home: small_suite.Home, old: str, new: str) -> None:
    carry_out(plan_of(home))
    change(home, old, new)
    assert stale(plan_of(home)) == {}


def change(home: small_suite.Home, old: str, new: str) -> None:
    text = home.params.read_text()
    assert old in text
    home.params.write_text(text.replace(old, new))


def test_params_looked_at_as_a_whole_count_as_a_whole(home: small_suite.Home) -> None:
    paths: list[tuple[str, ...]] = []
    params = watch(grammar.load(home.params), paths.append)
    for look in (
        lambda: params.limits.practical_change.model_dump(),
        lambda: list(params.targets),
        lambda: params.value == params.value,
        lambda: params.model_copy(),
        lambda: "shop" in params.targets,
    ):
        look()
    assert {("limits", "practical_change"), ("targets",), ("value",), (), ("targets", "shop")} <= set(paths)


def test_another_number_of_draws_is_another_result(home: small_suite.Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(READS, "10_count", lambda params: params.model.draws)
    carry_out(plan_of(home))
    assert set(stale(plan_of(home, draws=500))) == ALL
    carry_out(plan_of(home, draws=500))
    assert stale(plan_of(home)) == {}  # the first ones are still there, and are linked


def test_a_result_that_came_back_is_linked_into_a_new_run(
    home: small_suite.Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(READS, "10_count", lambda params: params.model.draws)
    carry_out(plan_of(home))
    carry_out(plan_of(home, draws=500))
    back = carry_out(plan_of(home))
    assert len(back.new) == 4
    unit = next(iter(back.new))
    newest = runs.latest(back.unit_dir(unit), good=True)
    assert newest == back.targets[unit]
    assert all(r.made_by == "" for r in newest.records().values())
    assert plan_of(home).new == set()


def test_an_edited_template_runs_again_with_what_reads_it(home: small_suite.Home) -> None:
    carry_out(plan_of(home))
    edit(home, "20_share", lambda n: n.cells[-1].update(source=n.cells[-1].source + "\n1"))
    found = stale(plan_of(home))
    assert found == dict.fromkeys({n for n in ALL if n.startswith("20")}, "the template changed")
    carry_out(plan_of(home))
    edit(home, "10_count", lambda n: n.cells[-1].update(source="# changed\n" + n.cells[-1].source))
    assert set(stale(plan_of(home))) == ALL


def test_outputs_and_execution_counts_of_a_template_do_not_count(home: small_suite.Home) -> None:
    carry_out(plan_of(home))
    edit(
        home,
        "20_share",
        lambda n: n.cells[-1].update(outputs=[nbformat.v4.new_output("stream", text="x")], execution_count=3),
    )
    assert stale(plan_of(home)) == {}


def test_the_chinese_text_of_a_cell_counts(home: small_suite.Home) -> None:
    carry_out(plan_of(home))
    edit(home, "10_count", lambda n: n.cells[0].metadata["cxlab"].update(zh="# 新标题"))
    assert set(stale(plan_of(home))) == ALL


def test_the_package_counts(home: small_suite.Home, monkeypatch: pytest.MonkeyPatch) -> None:
    carry_out(plan_of(home))
    monkeypatch.setattr(keys, "of_code", lambda: "another")
    assert stale(plan_of(home))["10_count north/2025Q1"] == "the package or a library changed"


def test_after_a_failure_only_it_and_what_reads_it(home: small_suite.Home) -> None:
    carry_out(plan_of(home), fail="20_share")
    assert stale(plan_of(home)) == dict.fromkeys({n for n in ALL if n.startswith("20")}, "it ended as failed")


def test_a_lost_or_changed_artefact_is_made_again(home: small_suite.Home) -> None:
    plan = carry_out(plan_of(home))
    folder = next(iter(plan.targets.values()))
    folder.table("counts").unlink()
    assert len(stale(plan_of(home))) == 1  # what read it stands: its key says what it read
    other = list(plan.targets.values())[1]
    other.table("counts").chmod(0o644)
    other.table("counts").write_text("tampered")
    assert len(stale(plan_of(home))) == 2


def test_fresh_takes_nothing_for_granted(home: small_suite.Home) -> None:
    carry_out(plan_of(home))
    assert stale(plan_of(home, fresh=True)) == dict.fromkeys(ALL, "asked for afresh")


def test_only_takes_the_others_as_they_are(home: small_suite.Home) -> None:
    carry_out(plan_of(home))
    edit(home, "10_count", lambda n: n.cells[-1].update(source="# changed\n" + n.cells[-1].source))
    assert stale(plan_of(home, only=["20_share"])) == {}  # what it reads is taken as it is
    plan = plan_of(home, only=["20_share"], fresh=True)
    assert set(stale(plan)) == {n for n in ALL if n.startswith("20")}
    carry_out(plan)
    unit = next(iter(plan.new))
    assert set(plan.targets[unit].records()) == {"10_count", "20_share"}  # the run is whole
    assert set(stale(plan_of(home))) == ALL  # and the edit is not forgotten


def test_filters(home: small_suite.Home) -> None:
    plan = plan_of(home, brands=["South"], periods_=["2025Q2"])
    assert set(stale(plan)) == {"10_count south/2025Q2", "20_share south/2025Q2"}


def test_mistyped_names_are_said_all_at_once(home: small_suite.Home) -> None:
    with pytest.raises(ParamsError) as caught:
        plan_of(home, brands=["sotuh"], periods_=["2025Q3", "Q2"], only=["20_shrae"])
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    assert "did you mean 'south'" in text
    assert "did you mean '20_share'" in text


def test_notebooks_of_another_profile_are_not_run(home: small_suite.Home) -> None:
    home.suite(small_suite.SUITE + "    profile: [employee]\n")
    assert set(stale(plan_of(home))) == COUNT
    with pytest.raises(ParamsError, match=r"no such notebook.*found '20_share'; allowed: 10_count"):
        plan_of(home, only=["20_share"])


def test_units_without_data_are_listed_not_run(home: small_suite.Home) -> None:
    home.client(last="2025Q3")
    home.answers("north", "2025Q3")
    plan = plan_of(home)
    assert {str(n): s.why for n, s in plan.steps.items() if s.state == "no_data"} == {
        "10_count south/2025Q3": "no rows in responses, ratings",
        "20_share south/2025Q3": "no rows in responses, ratings",
    }
    carry_out(plan)
    again = plan_of(home)
    assert again.new == set()  # that there is nothing is recorded once
    home.answers("south", "2025Q3")
    assert set(stale(plan_of(home))) == {"10_count south/2025Q3", "20_share south/2025Q3"}


WIDE = """
  - id: 05_all
    title: {en: All, zh: 全}
    question: {en: "All?", zh: 全部？}
    unit: client
    data: [responses]
    writes: [all]
  - id: 06_brand
    title: {en: Brand, zh: 品牌}
    question: {en: "Brand?", zh: 品牌？}
    unit: brand
    data: [responses]
    reads: ["client:all"]
    writes: [whole]
  - id: 07_period
    title: {en: Period, zh: 期}
    question: {en: "Period?", zh: 期？}
    unit: period
    data: [responses]
    writes: [compared]
  - id: 30_unit
    title: {en: Unit, zh: 元}
    question: {en: "Unit?", zh: 元？}
    reads: ["client:all", "brand:whole", "period:compared", "previous:forecasts"]
    data: [responses]
    writes: [forecasts]
"""


@pytest.fixture
def wide(home: small_suite.Home) -> small_suite.Home:
    home.suite("notebooks:" + WIDE)
    for name in ("05_all", "06_brand", "07_period", "30_unit"):
        home.notebook(name, "1")
    for name in ("10_count", "20_share"):
        (home.path / "notebooks" / "templates" / f"{name}.ipynb").unlink()
    return home


def test_units_of_four_widths(wide: small_suite.Home) -> None:
    plan = carry_out(plan_of(wide))
    assert sorted(stale(plan)) == [
        "05_all _all/_all",
        "06_brand north/_all",
        "06_brand south/_all",
        "07_period _all/2025Q1",
        "07_period _all/2025Q2",
        *(f"30_unit {b}/2025Q{q}" for b in ("north", "south") for q in (1, 2)),
    ]
    needs = {str(n): sorted(str(x.node) for x in s.needs) for n, s in plan.steps.items()}
    assert needs["30_unit north/2025Q2"] == [
        "05_all _all/_all",
        "06_brand north/_all",
        "07_period _all/2025Q2",
        "30_unit north/2025Q1",
    ]
    assert plan_of(wide).new == set()
    # the data of one brand changes in the last period: its units, and those that span it
    wide.answers("north", "2025Q2", n=1, seed=1)
    assert sorted(stale(plan_of(wide))) == [
        "05_all _all/_all",
        "06_brand north/_all",
        "06_brand south/_all",
        "07_period _all/2025Q2",
        *(f"30_unit {b}/2025Q{q}" for b in ("north", "south") for q in (1, 2)),
    ]


def test_filters_take_along_only_the_wider_units_that_are_read(wide: small_suite.Home) -> None:
    found = set(stale(plan_of(wide, brands=["south"], periods_=["2025Q2"])))
    assert found == {"05_all _all/_all", "06_brand south/_all", "07_period _all/2025Q2", "30_unit south/2025Q2"}


def test_a_failure_in_one_period_does_not_stop_the_next(wide: small_suite.Home) -> None:
    carry_out(plan_of(wide), fail="30_unit")
    found = stale(plan_of(wide))
    assert set(found) == {f"30_unit {b}/2025Q{q}" for b in ("north", "south") for q in (1, 2)}


# parameters ----------------------------------------------------------------------------------------------------------


def test_a_sidecar_sets_parameters_and_counts(home: small_suite.Home) -> None:
    more = small_suite.PARAMETERS + "rows: int = 3  # how many\n"
    home.notebook("10_count", small_suite.SETUP, small_suite.COUNT, parameters=more)
    carry_out(plan_of(home))
    beside = home.path / "notebooks" / "templates" / "10_count.yaml"
    beside.write_text("rows: 5\n")
    plan = plan_of(home)
    assert plan.parameters["10_count"] == {"rows": 5}
    assert set(stale(plan)) == ALL


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ("rwos: 5", "no such parameter.*did you mean 'rows'"),
        ("rows: five", "wrong type"),
        ('"rows = 1\\nimport os": 5', "plain identifier; nothing was run"),
        ("brand: north", "the batch fills this parameter in"),
        ("rows: !!python/object/apply:os.system [ls]", "tags are not allowed"),
    ],
)
def test_bad_sidecars_stop_everything(home: small_suite.Home, beside: str, said: str) -> None:
    home.notebook("10_count", "1", parameters=small_suite.PARAMETERS + "rows: int = 3  # how many\n")
    (home.path / "notebooks" / "templates" / "10_count.yaml").write_text(beside + "\n")
    with pytest.raises(ParamsError, match=r"(?s)" + said):
        plan_of(home)


def test_templates_without_the_parameters_of_the_batch(home: small_suite.Home) -> None:
    home.notebook("10_count", "1", parameters='params_file: str = ""  # x\nbrand: str = ""  # x\nperoid: str = ""  # x')
    with pytest.raises(ParamsError) as caught:
        plan_of(home)
    assert {(p.where, p.nearest) for p in caught.value.problems} == {("period", "peroid"), ("run_dir", "")}


# code ----------------------------------------------------------------------------------------------------------------


def test_the_code_hash_covers_what_computes_and_not_what_only_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    package = tmp_path / "cxlab"
    for name in ("__init__.py", "estimates.py", "models/one.py", "batch/plan.py", "report/site.py", "models/x.json"):
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    monkeypatch.setattr(keys.cxlab, "__file__", str(package / "__init__.py"))
    before = keys.of_code()
    for name, counts in {
        "batch/plan.py": False,
        "report/site.py": False,
        "models/one.py": True,
        "models/x.json": True,
    }.items():
        (package / name).write_text(name)
        now = keys.of_code()
        assert (now != before) is counts, name
        before = now
