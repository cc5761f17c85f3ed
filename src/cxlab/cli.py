"""The command line. Heavy imports stay inside the commands, so that ``cxlab --help`` answers at once.

Exit codes: 0 all good; 1 some notebooks failed (the rest is published); 2 usage or validation, nothing ran;
130 interrupted, to be resumed by the same command.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from cxlab.errors import EXIT_INVALID, CxError, ParamsError, Problem

app = typer.Typer(
    name="cxlab",
    help="Customer experience, analysed: from client files to reports with honest uncertainty.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

ParamsFile = Annotated[Path, typer.Argument(help="The client's params file.", metavar="PARAMS", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def main(args: list[str] | None = None) -> NoReturn:
    """Run a command; a user's mistake ends with its problems and exit code 2, never with a traceback."""
    arguments = sys.argv[1:] if args is None else args
    try:
        typer.main.get_command(app)(arguments, prog_name="cxlab")
    except CxError as error:
        report(error.problems, as_json="--json" in arguments)
        sys.exit(error.exit_code)
    sys.exit(0)


def report(problems: list[Problem], *, as_json: bool = False) -> None:
    """Print problems: to stderr for readers, as JSON to stdout for programs."""
    if as_json:
        say_json({"ok": False, "problems": [p.as_dict() for p in problems]})
        return
    for problem in problems:
        print(_block(problem), file=sys.stderr)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    print(f"{count}; nothing was run.", file=sys.stderr)


def _block(problem: Problem) -> str:
    """One problem as a few plain lines; client text cannot move the cursor or colour the screen."""
    place = ":".join(x for x in (problem.file, str(problem.line) if problem.line else "") if x)
    lines = [" ".join(x for x in (place, problem.where) if x), f"  {problem.what}"]
    lines = [x for x in lines if x.strip()]
    for name, value in (("found", problem.value), ("allowed", problem.allowed)):
        if value:
            lines.append(f"  {name}: {value}")
    if problem.nearest:
        lines.append(f"  did you mean {problem.nearest!r}?")
    if problem.todo:
        lines.append(f"  -> {problem.todo}")
    return "\n".join(plain(x) for x in lines)


def plain(text: str) -> str:
    """Return text with control characters spelled out."""
    return "".join(c if c.isprintable() or c == " " else c.encode("unicode_escape").decode() for c in text)


def say(text: str = "") -> None:
    """Print a line for readers."""
    print(text, flush=True)


def say_json(data: Any) -> None:
    """Print one JSON object."""
    print(json.dumps(data, ensure_ascii=False, indent=2, default=str), flush=True)


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
        say(f"  guess: {plain(doubt)}")
    say(f"Read it, correct the lines marked `# guess:`, then: cxlab check {output}")


@app.command()
def check(params_file: ParamsFile, as_json: Json = False) -> None:
    """Check a params file and the data it names; every problem at once, nothing is run or written.

    Examples: `cxlab check params/me.yaml`, `cxlab check params/me.yaml --json`
    """
    from cxlab import connect, params, suite

    client = params.load(params_file)
    problems = _notebooks(client, suite.load().ids) + connect.check(client)
    if problems:
        raise ParamsError(problems)
    units = params.units(client)
    periods = params.labels(client)
    if as_json:
        inputs = {k: v.path or [v.table] for k, v in client.inputs.items()}
        brands = [b.id for b, _ in units]
        say_json({"ok": True, "client": client.client, "brands": brands, "periods": periods, "inputs": inputs})
        return
    say(f"{client.client}: all good")
    say(f"  brands   {', '.join(b.id for b, _ in units)}")
    say(f"  periods  {periods[0]} to {periods[-1]} ({len(periods)})")
    say(f"  inputs   {', '.join(client.inputs)}")
    filled = [t for t in type(client.tables).model_fields if getattr(client.tables, t)]
    say(f"  tables   {', '.join(filled)}")
    say(f"Next: cxlab run {params_file}")


def _notebooks(client: Any, ids: list[str]) -> list[Problem]:
    from cxlab.errors import nearest
    from cxlab.params import place

    return [
        Problem(
            "there is no such notebook",
            *place(client, "notebooks", index),
            f"notebooks[{index}]",
            repr(name),
            ", ".join(ids),
            nearest(name, ids),
        )
        for index, name in enumerate(client.notebooks or ())
        if name not in ids
    ]


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
    from cxlab import doctor as room

    findings = room.examine()
    if as_json:
        say_json({"ok": room.healthy(findings), "checks": [f.as_dict() for f in findings]})
    else:
        for finding in findings:
            say(f"{finding.verdict:<5} {finding.name:<12} {plain(finding.found)}")
            if finding.remedy:
                say(f"      {'':<12} -> {finding.remedy}")
    if not room.healthy(findings):
        raise typer.Exit(EXIT_INVALID)
