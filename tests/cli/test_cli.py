"""The command line as people and schedulers meet it: exit codes, plain messages, nothing written on a mistake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import small_suite
import typer

from cxlab import __version__, cli
from cxlab.batch import BatchReport, Progress, keys
from cxlab.batch.report import Planned
from cxlab.cli.out import block, finish, plain, progress, rejected_for
from cxlab.errors import Problem

Call = Callable[..., tuple[int, str, str]]
COMMANDS = ("init", "alerts", "check", "run", "site", "list", "demo", "doctor", "schema")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> small_suite.Home:
    """A small client with one notebook for one brand and quarter."""
    path = tmp_path / "home"
    monkeypatch.setenv("CXLAB_HOME", str(path))
    monkeypatch.setattr(keys, "of_code", lambda: "this code")  # someone may edit the package while its tests run
    made = small_suite.make(path, last="2025Q1", brands=("north",))
    made.alone()
    return made


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command in this process: exit code, stdout, stderr."""

    def call(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            cli.main([str(a) for a in args])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return int(caught.value.code or 0), out, err

    return call


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# help ----------------------------------------------------------------------------------------------------------------


def test_help_names_every_command(call: Call) -> None:
    code, out, _ = call("--help")
    assert code == 0
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(call: Call, command: str) -> None:
    code, out, _ = call(command, "-h")
    assert code == 0
    assert f"cxlab {command}" in " ".join(out.split())
    if command != "schema":
        assert "Example" in out


def test_help_imports_nothing_heavy() -> None:
    heavy = ("pandas", "numpy", "duckdb", "pydantic", "papermill", "pymc")
    code = "import sys\ntry:\n    import cxlab.cli; cxlab.cli.main(['--help'])\nexcept SystemExit: pass\n"
    code += f"print('LOADED', [m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout


@pytest.mark.parametrize(
    "args", [["--nope"], ["nope"], ["run"], ["run", "x.yaml", "--jobs", "-1"], ["run", "x", "--jobs", "a"]]
)
def test_usage_errors_end_with_2(call: Call, args: list[str]) -> None:
    assert call(*args)[0] == 2


# schema, doctor, list ------------------------------------------------------------------------------------------------


def test_schema_prints_json(call: Call, root: Path, tmp_path: Path) -> None:
    code, out, _ = call("schema")
    assert code == 0
    assert out == (root / "params" / "schema.json").read_text(encoding="utf-8")
    assert call("schema", "-o", tmp_path / "s.json")[0] == 0
    assert (tmp_path / "s.json").read_text(encoding="utf-8") == out
    assert call("schema", "-o", tmp_path / "no" / "s.json")[0] == 2


def test_doctor_says_how_this_machine_is(call: Call) -> None:
    code, out, _ = call("doctor")
    assert ("bad" in out.split()) == (code == 1)
    assert "python" in out
    found = json.loads(call("doctor", "--json")[1])
    names = {c["name"] for c in found["checks"]}
    assert {"python", "packages", "browser", "fonts", "cores", "memory", "disk", "threads", "kernels", "runs/"} <= names
    assert all(c["remedy"] for c in found["checks"] if c["verdict"] == "bad")


def test_list_names_the_notebooks(call: Call, home: small_suite.Home) -> None:
    assert call("list")[1].startswith("20_share")
    assert json.loads(call("list", "--json")[1])["notebooks"][0]["unit"] == "brand_period"


# check ---------------------------------------------------------------------------------------------------------------


def test_check_says_all_good(call: Call, home: small_suite.Home) -> None:
    code, out, _ = call("check", home.params)
    assert code == 0
    assert "me: all good" in out
    assert f"Next: cxlab run {home.params}" in out
    found = json.loads(call("check", home.params, "--json")[1])
    assert (found["ok"], found["brands"], found["items"]) == (True, ["north"], ["recommend"])
    assert found["reconciliation"]
    for line in found["reconciliation"]:
        assert line["rows_in"] == line["rows_used"] + line["rows_out_of_scope"] + line["rows_rejected"]
        assert f"{line['source']} -> {line['table']}: " in out


def test_check_tells_the_guesses_again(call: Call, home: small_suite.Home) -> None:
    lines = home.params.read_text(encoding="utf-8").splitlines()
    lines[0] += "  # guess: which client is this?"
    home.params.write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, out, _ = call("check", home.params)
    assert code == 0
    assert "all good" not in out
    assert "1 line is marked as a guess, see below" in out
    assert f"{home.params.name}:1  {lines[0].split('#')[0].strip()}: which client is this?" in out
    assert json.loads(call("check", home.params, "--json")[1])["guesses"][0]["line"] == 1


def test_check_says_why_rows_are_rejected(call: Call, home: small_suite.Home) -> None:
    """Few rows that do not fit stop nothing, but they are told: source, column, reason, the first of them, the rest."""
    text = home.params.read_text(encoding="utf-8")
    home.params.write_text(text + "limits: {max_reject_share: 0.5}\n", encoding="utf-8")
    data = next((home.path / "data").glob("survey*.csv"))
    lines = data.read_text(encoding="utf-8").splitlines()
    at = lines[0].split(",").index("recommend")
    for n in (2, 4):
        row = lines[n].split(",")
        row[at] = "often"
        lines[n] = ",".join(row)
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, out, _ = call("check", home.params)
    assert code == 0
    assert "all good" not in out
    assert "me: can be run; 2 rows or values are rejected, see below" in out
    (told,) = [line for line in out.splitlines() if "often" in line]
    assert told.startswith("  reject   survey -> ratings recommend: ")
    assert f"(2 times, first {data.name}:3: 'often')" in told
    assert "rejects.parquet" in out
    (found,) = json.loads(call("check", home.params, "--json")[1])["rejects"]
    assert (found["column"], found["n"], found["line"], found["value"]) == ("recommend", 2, 3, "often")


def test_a_dry_run_keeps_nothing_that_never_ran(capsys: pytest.CaptureFixture[str]) -> None:
    plan = (Planned("20_share", "north", "2025Q1", "stale", "never run"),
            Planned("10_count", "north", "2025Q1", "kept", ""),
            Planned("15_topics", "", "", "kept", "not asked for and never run"))  # fmt: skip
    finish(BatchReport("me", True, {"stale": 1, "kept": 2}, plan=plan))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[:3]] == ["stale", "kept", "left out 15_topics"]
    assert lines[3].startswith("me: 1 stale (to be executed), 1 kept (not asked for, last result), 1 left out; a dry")


def test_every_line_of_progress_has_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as show:
        show(Progress("done", "15_topics", "", "", done=1, total=2, status=""))
    assert capsys.readouterr().err.strip() == "[1/2] 15_topics all not asked for"


def test_reasons_that_differ_in_a_number_only_are_one(capsys: pytest.CaptureFixture[str]) -> None:
    twin = {"source": "sales", "table": "transactions", "column": "no", "n": 1, "value": "x", "file": "s.csv"}
    rows = [twin | {"reason": f"the key stands already in line {n}", "line": 100 - n} for n in range(2, 50)]
    rows.append(twin | {"reason": "is no date", "column": "day", "n": 60, "line": 7, "value": None, "file": None})
    rejected_for(rows)
    assert capsys.readouterr().out.splitlines() == [
        "  reject   sales -> transactions day: is no date (60 times, first 7)",
        "  reject   sales -> transactions no: the key stands already in line 49 (48 times, first s.csv:51: 'x')",
    ]


def test_check_tells_every_problem_at_once(call: Call, home: small_suite.Home) -> None:
    text = home.params.read_text(encoding="utf-8")
    text = text.replace("column: recommend", "column: recomend").replace("brand: brand", "brand: brnd")
    home.params.write_text(text + "notebooks: [20_shre]\n", encoding="utf-8")
    code, out, err = call("check", home.params)
    assert code == 2
    assert not out
    assert "did you mean '20_share'?" in err
    assert "did you mean 'recommend'?" in err
    assert "did you mean 'brand'?" in err
    assert "nothing was run" in err
    found = json.loads(call("check", home.params, "--json")[1])
    assert not found["ok"]
    assert {"what", "file", "line", "where", "value", "allowed", "nearest", "todo"} == set(found["problems"][0])


def test_check_writes_nothing(call: Call, home: small_suite.Home) -> None:
    before = tree(home.path)
    assert call("check", home.params)[0] == 0
    assert tree(home.path) == before


# hostile params: a clear error, exit 2, nothing executed, nothing written --------------------------------------------


def _change(home: small_suite.Home, old: str, new: str) -> None:
    text = home.params.read_text(encoding="utf-8")
    assert old in text
    home.params.write_text(text.replace(old, new, 1), encoding="utf-8")


def _bytes(data: bytes) -> Callable[[small_suite.Home], None]:
    return lambda home: home.params.write_bytes(data) and None


def _text(old: str, new: str) -> Callable[[small_suite.Home], None]:
    return lambda home: _change(home, old, new)


def _data(data: bytes) -> Callable[[small_suite.Home], None]:
    def spoil(home: small_suite.Home) -> None:
        for file in (home.path / "data").glob("*.csv"):
            file.write_bytes(data)

    return spoil


HOSTILE = {
    "newline in a key": (_text("client: me", 'client: me\n"a\\nimport os": 1'), "unknown key"),
    "newline in an item": (_text("recommend: {", '"rec\\nimport os": {'), "an id has letters"),
    "brand leaves its folder": (_text("[north]", '[{id: "../../evil", label: x}]'), "an id has letters"),
    "client leaves its folder": (_text("client: me", "client: ../me"), "an id has letters"),
    "two brands, one folder": (_text("[north]", "[north, North]"), "would share one folder"),
    "python object": (
        _text("client: me", 'client: !!python/object/apply:os.system ["touch pwned"]'),
        "tags are not allowed",
    ),
    "python name": (_text("client: me", "client: !!python/name:os.system"), "tags are not allowed"),
    "a date that is none": (_text("first: 2025Q1", "first: 2026-02-30"), "the grain is quarter"),
    "a quarter that is none": (_text("last: 2025Q1", "last: 2025Q7"), "this is no period"),
    "missing column": (_text("column: recommend", "column: recomend"), "did you mean 'recommend'"),
    "missing file": (_text("survey*.csv", "surveys-*.csv"), "no file matches"),
    "data outside": (_text("survey*.csv", "../../../etc/passwd"), "must lie below data_root"),
    "SQL that reads files": (
        _text("period: period", "period: {expr: \"(SELECT content FROM read_text('/etc/passwd'))\"}"),
        "",
    ),
    "SQL that ends the query": (_text("period: period", 'period: {expr: "1); DROP TABLE x; --"}'), ""),
    "empty file": (_bytes(b""), "the file is empty"),
    "wrong encoding": (_bytes("client: 国\n".encode("gb18030")), "not UTF-8"),
    "UTF-16": (_bytes("client: me\n".encode("utf-16")), "not UTF-8"),
    "repeated key": (_text("client: me", "client: me\nclient: you"), "second time"),
    "alias bomb": (
        _bytes(("a0: &a0 [x, x, x, x, x, x, x, x]\n" + "".join(
            f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]\n" for i in range(1, 20))).encode()),
        "more than 50,000 values",
    ),
    "a megabyte of nonsense": (_bytes(bytes(range(256)) * 4096), "too large"),
    "a quarter megabyte of nonsense": (_bytes(b"{[: - ? &*" * 25_000), "not valid YAML"),
    "deep nesting": (_bytes(b"[" * 100_000), "levels of nesting"),
    "extends itself": (_text("client: me", "client: me\nextends: me.yaml"), "in a circle"),
    "leading zero": (_text("client: me", "client: me\nlimits: {min_n: 030}"), "leading zero"),
    "data: empty": (_data(b""), "the file is empty"),
    "data: only a header": (_data(b"brand,period,recommend\n"), ""),
    "data: wrong encoding": (_data("brand,period,recommend\nnorth,2025Q1,9 é\n".encode("latin-1")), "encoding"),
    "data: all periods outside": (_data(b"brand,period,recommend\nnorth,2020Q1,9\n"), ""),
    "data: all codes outside": (_data(b"brand,period,recommend\n" + b"north,2025Q1,77\n" * 9), "77"),
    "data: mistyped brand": (_data(b"brand,period,recommend\n" + b"nrth,2025Q1,7\n" * 9), "nrth"),
}  # fmt: skip


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_refused(
    call: Call, home: small_suite.Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, command: str
) -> None:
    spoil, words = HOSTILE[name]
    spoil(home)
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path)
    began = time.perf_counter()
    code, out, err = call(command, home.params)
    assert code == 2, (out, err)
    assert words in err
    assert not out
    assert err.rstrip().endswith("nothing was run.")
    assert tree(tmp_path) == before
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize(
    ("args", "near"),
    [
        (["--brand", "nrth"], "north"), (["--brand", "../north"], "north"), (["--period", "2025Q2"], "2025Q1"),
        (["--period", "2025-02-30"], ""), (["--only", "20_shar"], "20_share"), (["--only", "../20_share"], "20_share"),
    ],
)  # fmt: skip
def test_mistyped_names_on_the_command_line(call: Call, home: small_suite.Home, args: list[str], near: str) -> None:
    before = tree(home.path)
    code, _, err = call("run", home.params, *args)
    assert code == 2
    assert not near or f"did you mean {near!r}?" in err
    assert tree(home.path) == before


def test_control_characters_do_not_reach_the_terminal() -> None:
    text = block(Problem("bad", "a\x1b[2Jb.yaml", 1, "k\ney", "\x07\u202e", "x\r\ny"))
    assert not any(ord(c) < 32 and c != "\n" for c in text)
    assert "\u202e" not in text
    assert plain("中文 é") == "中文 é"


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_of_a_batch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    from cxlab.batch import Progress

    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    with progress() as show:
        show(Progress("warming", total=2))
        show(Progress("cell", "20_x", "[red]north", "2025Q1", cell=1, cells=3, total=2))
        show(Progress("cell", "20_x", "[red]north", "2025Q1", cell=2, cells=3, total=2))
        show(Progress("done", "20_x", "[red]north", "2025Q1", status="failed", seconds=1.25, done=1, total=2))
        show(Progress("done", "20_x", "", "", status="linked", done=2, total=2))
        show(Progress("publishing", done=2, total=2))
    out, err = capsys.readouterr()
    assert not out  # stdout is for the result
    assert "[red]north/2025Q1" in err  # names are text, not markup
    if terminal:
        assert "20_x [red]north/2025Q1 failed" in err
    else:
        assert err.splitlines() == [
            "warming kernels", "[1/2] 20_x [red]north/2025Q1 failed    1.2 s", "[2/2] 20_x all linked", "publishing",
        ]  # fmt: skip


# run, site, list on a real kernel ------------------------------------------------------------------------------------


def test_run_publishes_and_resumes(call: Call, home: small_suite.Home) -> None:
    code, out, err = call("run", home.params, "--dry-run")
    assert code == 0
    assert "a dry run, nothing was executed" in out
    assert not (home.path / "reports").exists()
    code, out, err = call("run", home.params, "--cold", "--jobs", "1", "--timeout", "120")
    assert code == 0, out + err
    index = home.path / "reports" / "me" / "index.html"
    assert f"report: {index}" in out
    assert index.is_file()
    assert "[1/1] 20_share north/2025Q1 ok" in err
    again = json.loads(call("run", home.params, "--cold", "--json")[1])
    assert (again["executed"], again["exit_code"]) == ([], 0)
    listed = json.loads(call("list", home.params, "--json")[1])["runs"]
    assert [(r["brand"], r["period"], r["state"]) for r in listed] == [("north", "2025Q1", "good")]
    index.unlink()
    code, out, _ = call("site", home.params)
    assert code == 0
    assert index.as_uri() in out
    assert index.is_file()


def test_a_failing_notebook_ends_with_1(call: Call, home: small_suite.Home) -> None:
    home.faults(north__2025Q1="raise")
    code, out, _ = call("run", home.params, "--cold", "--timeout", "120")
    assert code == 1
    assert "20_share north/2025Q1: failed" in out
    assert "the price column is empty" in out


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a child")
def test_ctrl_c_ends_with_130_and_leaves_nothing_behind(home: small_suite.Home) -> None:
    home.faults(north__2025Q1="sleep")
    command = [sys.executable, "-m", "cxlab", "run", str(home.params), "--cold", "--timeout", "120"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not small_suite.kernels_of(home.path) or time.monotonic() < deadline - 55:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(2)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out + err
    assert "Traceback" not in out + err
    time.sleep(1)
    assert small_suite.kernels_of(home.path) == []


# init, demo ----------------------------------------------------------------------------------------------------------


def test_init_then_check(call: Call, tmp_path: Path) -> None:
    rows = [f"2026-01-{1 + i % 28:02d},{i % 11},{1 + i % 5}" for i in range(120)]
    (tmp_path / "answers.csv").write_text("\n".join(["date,recommend,overall_rating", *rows]), encoding="utf-8")
    out_file = tmp_path / "params" / "me.yaml"
    code, out, _ = call("init", tmp_path / "answers.csv", "-o", out_file)
    assert code == 0
    assert "1 file, 2 questions, 1 brand" in out
    assert f"cxlab check {out_file}" in out
    assert call("check", out_file)[0] == 0
    code, _, err = call("init", tmp_path / "answers.csv", "-o", out_file)
    assert code == 2
    assert "--force" in err


def test_demo_generates_and_runs(
    call: Call, home: small_suite.Home, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxlab import batch

    (home.path / "params" / "demo.yaml").write_bytes((root / "params" / "demo.yaml").read_bytes())
    asked: dict[str, object] = {}

    def run(params_path: Path, **options: object) -> batch.BatchReport:  # the suite itself is tested in tests/contracts
        asked.update(options, path=params_path)
        return batch.BatchReport("demo", False, {"ok": 6}, site=home.path / "reports" / "demo" / "index.html")

    monkeypatch.setattr(batch, "run", run)
    code, out, _ = call("demo", "--jobs", "2", "--draws", "200")
    assert code == 0
    assert (home.path / "data" / "demo" / "reviews.jsonl").is_file()
    assert asked["path"] == home.path / "params" / "demo.yaml"
    assert (asked["jobs"], asked["draws"]) == (2, 200)
    assert (home.path / "reports" / "demo" / "index.html").as_uri() in out


def test_version_is_told() -> None:
    done = subprocess.run([sys.executable, "-m", "cxlab", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"cxlab {__version__}"


def test_commands_are_those_documented() -> None:
    found = typer.main.get_command(cli.app)
    assert set(found.commands) == set(COMMANDS)  # type: ignore[attr-defined]
