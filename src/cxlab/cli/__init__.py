"""The command line. Heavy imports stay inside the commands, so that ``cxlab --help`` answers at once.

Exit codes: 0 all good; 1 some notebooks failed (the rest is published); 2 usage or validation, nothing ran;
10 new alarms (`cxlab alerts`); 130 interrupted, to be resumed by the same command.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cxlab import __version__
from cxlab.cli.out import accounts, alarms, finish, progress, report, say, say_json
from cxlab.errors import EXIT_FAILED, CxError, ParamsError, Problem

EXIT_ALARMS = 10
MOST_GUESSES = 20  # that `cxlab check` prints

app = typer.Typer(
    name="cxlab",
    help="Customer experience, analysed: from client files to reports with honest uncertainty.",
    epilog="Start with `cxlab demo`, or `cxlab init mydata/*.csv -o params/me.yaml` for your own files.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

ParamsFile = Annotated[Path, typer.Argument(help="The client's params file.", metavar="PARAMS", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Jobs = Annotated[
    int,
    typer.Option("--jobs", "-j", help="Notebooks at a time; default: the number of cores.", min=0, show_default=False),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Execute even what is up to date.")]
Warm = Annotated[bool, typer.Option("--warm/--cold", help="Fork kernels from a process that has imported already.")]
Draws = Annotated[
    int, typer.Option(help="Posterior draws per chain; default: as the params say.", min=0, show_default=False)
]
Timeout = Annotated[
    float, typer.Option(help="Seconds a notebook may take; default: as suite.yaml says.", min=0, show_default=False)
]


def main(args: list[str] | None = None) -> NoReturn:
    """Run a command; a user's mistake ends with its problems and exit code 2, never with a traceback."""
    arguments = sys.argv[1:] if args is None else args
    try:
        typer.main.get_command(app)(arguments, prog_name="cxlab")
    except CxError as error:
        report(error.problems, as_json="--json" in arguments)
        sys.exit(error.exit_code)
    sys.exit(0)


def _version(asked: bool) -> None:
    if asked:
        say(f"cxlab {__version__}")
        raise typer.Exit


@app.callback()
def _cxlab(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Customer experience, analysed: from client files to reports with honest uncertainty."""


@app.command()
def init(
    files: Annotated[list[Path], typer.Argument(help="Data files: CSV, Parquet, Excel, SPSS, JSON lines.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The params file to write.")] = Path("params/me.yaml"),
    client: Annotated[str, typer.Option(help="The client's id; default: the name of the output file.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a params file with a mapping guessed from data files; every line is commented.

    Example: `cxlab init mydata/*.csv -o params/me.yaml`
    """
    from cxlab import scaffold

    guessed = scaffold.init(files, output, client=client, force=force)
    say(f"{output}: {guessed.summary}")
    for doubt in guessed.doubts:
        say(f"  guess: {doubt}")
    say(f"Read it, correct the lines marked `# guess:`, then: cxlab check {output}")


@app.command()
def check(params_file: ParamsFile, as_json: Json = False) -> None:
    """Check a params file and the data it names; every problem at once, nothing is run or written.

    Examples: `cxlab check params/me.yaml`, `cxlab check params/me.yaml --json`
    """
    from cxlab import connect, params
    from cxlab.batch import plan, suite

    client = params.load(params_file)
    look = connect.checkup(client)
    problems = list(look.problems)
    try:
        plan.select(client, suite.load())
    except ParamsError as error:
        problems[:0] = error.problems
    if problems:
        raise ParamsError(problems)
    periods = params.labels(client)
    brands = [b.id for b in params.own_brands(client)]
    tables = [t for t in type(client.tables).model_fields if getattr(client.tables, t)]
    if as_json:
        found = {"client": client.client, "brands": brands, "periods": periods, "tables": tables}
        found |= {"inputs": list(client.inputs), "items": list(params.items(client))}
        rows = {"reconciliation": look.reconciliation, "links": look.links, "notices": look.notices}
        rows["rejects"] = look.rejects
        rows["guesses"] = [{"line": line, "text": text, "doubt": doubt} for line, text, doubt in guesses(params_file)]
        say_json({"ok": True, **found, **rows})
        return
    bad = sum(r["n"] for r in look.rejects)
    doubts = guesses(params_file)
    notes = [f"{bad:,} rows or values are rejected"] if bad else []
    several = "s are marked as guesses" if len(doubts) > 1 else " is marked as a guess"
    notes += [f"{len(doubts)} line{several}"] if doubts else []
    say(f"{client.client}: {f'can be run; {" and ".join(notes)}, see below' if notes else 'all good'}")
    say(f"  brands   {', '.join(brands)}")
    say(f"  periods  {periods[0]} to {periods[-1]} ({len(periods)})")
    say(f"  inputs   {', '.join(client.inputs)}")
    say(f"  tables   {', '.join(tables)}")
    accounts(look)
    if bad:
        stores = suite.load().root / "runs" / params.slug(client.client) / "_data"
        say(f"  reject   all of them: {stores}/*/rejects.parquet, once `cxlab run` has read the data")
    for line, text, doubt in doubts[:MOST_GUESSES]:
        say(f"  guess    {params_file.name}:{line}  {text}: {doubt}")
    if len(doubts) > MOST_GUESSES:
        say(f"  guess    and {len(doubts) - MOST_GUESSES} more lines marked `# guess:`")
    say(f"Next: {'look at the guesses, delete their marks, then: ' if doubts else ''}cxlab run {params_file}")


def guesses(params_file: Path) -> list[tuple[int, str, str]]:
    """Return the lines of a params file that `cxlab init` marked as guesses: line, what it says, what is doubtful."""
    found = []
    for number, line in enumerate(params_file.read_text(encoding="utf-8-sig").splitlines(), 1):
        text, mark, doubt = line.partition("guess: ")
        if mark and "#" in text and "`# guess:`" not in line:
            said = text.rpartition("#")[0].strip() or "the file as a whole"
            found.append((number, said if len(said) < 60 else f"{said[:57]}...", doubt.replace("guess: ", "").strip()))
    return found


@app.command()
def run(
    params_file: ParamsFile,
    brand: Annotated[list[str] | None, typer.Option(help="Only this brand; may be repeated.")] = None,
    period: Annotated[list[str] | None, typer.Option(help="Only this period, e.g. 2026Q3; may be repeated.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this notebook; may be repeated.")] = None,
    jobs: Jobs = 0,
    fresh: Fresh = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be executed and why.")] = False,
    timeout: Timeout = 0.0,
    warm: Warm = True,
    draws: Draws = 0,
    as_json: Json = False,
) -> None:
    """Execute the notebooks per brand and period and publish the report. What is up to date is not run again.

    Examples: `cxlab run params/me.yaml`, `cxlab run params/me.yaml --brand alder --period 2026Q3 --jobs 4`,
    `cxlab run params/me.yaml --dry-run`

    Exit codes: 0 all good; 1 some notebooks failed, the rest is published; 2 nothing ran; 130 interrupted.
    """
    from cxlab import batch

    with progress(quiet=as_json) as show:
        result = batch.run(
            params_file,
            brand=brand or [],
            period=period or [],
            only=only or [],
            jobs=jobs,
            fresh=fresh,
            dry_run=dry_run,
            timeout=timeout,
            warm=warm,
            draws=draws,
            on_progress=show,
        )
    if as_json:
        say_json(result.as_dict())
    else:
        finish(result)
    raise typer.Exit(result.exit_code)


@app.command()
def alerts(
    params_file: ParamsFile,
    since: Annotated[
        str, typer.Option(help="First day that is watched, e.g. 2026-07-01; default: of the last period.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Watch what came since the last call: alarms with a declared false-alarm rate, and answers that want a call.

    Example, every Monday at six by cron: `0 6 * * 1 cxlab alerts /srv/cx/params/me.yaml`

    Exit codes: 0 quiet; 10 there are new alarms; 2 something is wrong with the params or the data.
    """
    from cxlab import params, runs
    from cxlab.alerts import watch

    first = None
    if since:
        try:
            first = date.fromisoformat(since)
        except ValueError:
            raise ParamsError(
                Problem("is no day", where="--since", value=since, allowed="such as 2026-07-01")
            ) from None
    client = params.load(params_file)
    root = runs.home()
    _, store = runs.build_store(client, root)
    found = watch.call(client, store, runs.client_dir(root, params.slug(client.client)) / "_alerts", since=first)
    if as_json:
        say_json({"ok": True, "alarms": found.alarms, "care": found.care, "watched": found.watched,
                  "settling": found.settling, "since": found.since, "folder": found.folder})  # fmt: skip
    else:
        alarms(found, client)
    raise typer.Exit(EXIT_ALARMS if found.alarms else 0)


@app.command()
def site(params_file: ParamsFile, as_json: Json = False) -> None:
    """(Re)build the report from runs that are there, without executing anything.

    Example: `cxlab site params/me.yaml`
    """
    from cxlab import batch

    index = batch.site(params_file)
    if as_json:
        say_json({"ok": True, "site": index})
    else:
        say(f"report: {index}")
        say(f"        {index.as_uri()}")


@app.command()
def demo(jobs: Jobs = 0, fresh: Fresh = False, warm: Warm = True, draws: Draws = 0, timeout: Timeout = 0.0) -> None:
    """Generate a demo world (two brands, three quarters) and run the suite on it.

    Example: `cxlab demo`
    """
    from cxlab import batch, runs, synthetic

    root = runs.home()
    with progress("making the demo world, reading its data") as show:
        files = root / "data" / "demo"
        made_of = runs.stamp.made_of([Path(synthetic.__file__).parent])
        if not runs.stamp.stands(files, made_of):
            synthetic.write(synthetic.generate(), files)
            runs.stamp.put(files, made_of)
        result = batch.run(
            root / "params" / "demo.yaml",
            jobs=jobs,
            fresh=fresh,
            warm=warm,
            draws=draws,
            timeout=timeout,
            on_progress=show,
        )
    finish(result)
    raise typer.Exit(result.exit_code)


@app.command(name="list")
def list_(
    params_file: Annotated[
        Path | None, typer.Argument(help="A client's params file.", metavar="[PARAMS]", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """List the notebooks of the suite or, given a params file, the latest run of each brand and period.

    Examples: `cxlab list`, `cxlab list params/me.yaml`
    """
    from cxlab import params, runs
    from cxlab.batch import suite

    contents = suite.load()
    if params_file is None:
        notebooks = [{"id": n.id, "unit": n.unit, "title": n.title["en"]} for n in contents.notebooks]
        if as_json:
            say_json({"ok": True, "notebooks": notebooks})
        for n in [] if as_json else notebooks:
            say(f"{n['id']:<18} {n['unit']:<13} {n['title']}")
        return
    client = params.load(params_file)
    name = params.slug(client.client)
    units = [(b.id, p) for b, labels in params.units(client) for p in ["", *labels]]
    units += [("", p) for p in ["", *params.labels(client)]]
    found: list[dict[str, str]] = []
    statuses: list[dict[str, str]] = []
    for brand, period in units:
        place = runs.unit_dir(contents.root, name, params.slug(brand) if brand else "", period)
        newest = runs.latest(place, good=False)
        if newest is not None:
            state = str(newest.manifest().get("state", ""))
            found.append({"brand": brand, "period": period, "run": newest.run_id, "state": state})
            statuses.append({k: r.status for k, r in newest.records().items()})
    if as_json:
        rows = [{**row, "notebooks": each} for row, each in zip(found, statuses, strict=True)]
        say_json({"ok": True, "client": client.client, "runs": rows})
        return
    for row, each in zip(found, statuses, strict=True):
        bad = [f"{k} {v}" for k, v in each.items() if v not in ("ok", "no_data")]
        where = f"{row['brand'] or '(all)'} {row['period'] or '(all)'}"
        say(f"{where:<28} {row['run']}  {row['state']}{'  ' + ', '.join(bad) if bad else ''}")
    if not found:
        say(f"{client.client}: no runs yet; cxlab run {params_file}")


@app.command()
def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to a file instead.")] = None,
) -> None:
    """Print the JSON schema of params files, for completion in editors.

    Editors find it by a first line `# yaml-language-server: $schema=schema.json` in the params file.
    """
    from cxlab.params import schema as room

    if output is None:
        sys.stdout.write(room.text())
        return
    try:
        room.write(output)
    except OSError as error:
        raise ParamsError(Problem(f"the file cannot be written: {error.strerror}", str(output))) from None
    say(str(output))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Look at this machine: Python, packages, browser, fonts, memory, disk, kernels; each with a remedy.

    Example: `cxlab doctor`
    """
    from cxlab.cli.doctor import examine, healthy

    findings = examine()
    good = healthy(findings)
    if as_json:
        say_json({"ok": good, "checks": [f.as_dict() for f in findings]})
    for finding in [] if as_json else findings:
        say(f"{finding.verdict:<5} {finding.name:<12} {finding.found}")
        if finding.remedy:
            say(f"{'':<18} -> {finding.remedy}")
    raise typer.Exit(0 if good else EXIT_FAILED)
