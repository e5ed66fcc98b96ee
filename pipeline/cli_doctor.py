"""`sluice doctor`. Nothing here, nor in what it imports, needs a package but click."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pipeline.cli_options import SET

if TYPE_CHECKING:
    from pipeline.doctor.result import Result


@click.command()
@click.argument("config", required=False, type=click.Path(dir_okay=False))
@SET
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def doctor(config: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Says what will not work in this environment, what that rules out, and the remedy.

    With CONFIG also whether this configuration would run: its keys, its sources, where it writes, and
    where it runs. Without, the folders are those of a configuration in the working directory.

    Exit status: 0 where `sluice run` would work, whatever else is lacking; 1 where something here stops
    it; 2 for wrong usage, and where nothing but the configuration or its sources stops it.
    """
    from pipeline.doctor.examination import examine

    if overrides and config is None:
        raise click.UsageError("--set changes a key of CONFIG; give it")
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    results: list[Result] = []
    for result in examine(config, overrides):
        results.append(result)
        if not as_json:
            _print(result)
    stopping = [result for result in results if result.stops_run]
    if as_json:
        works = {"works": not stopping, "results": [asdict(result) for result in results]}
        click.echo(json.dumps(works, indent=2, ensure_ascii=False))
    else:
        click.echo(_conclusion(results, config))
    sys.exit(min((result.exit_code for result in stopping), default=0))


def _print(result: "Result") -> None:
    click.echo(f"{result.state:<8} {result.name:<17} {result.found}")
    for label, text in ((_LABELS.get(result.state, ""), result.consequence), ("remedy", result.remedy)):
        if text:
            click.echo(f"{'':8} {label:<17} {text}")
    if sys.stdout.isatty():
        click.echo("…\r", nl=False)  # the next check is at work


_LABELS = {"lack": "rules out", "warning": "means"}


def _conclusion(results: "list[Result]", config: str | None) -> str:
    what = f"sluice run {config}" if config else "sluice run"
    if stopping := [result.name for result in results if result.stops_run]:
        return f"{what} does not work here: see {', '.join(stopping)}"
    others = [result.name for result in results if result.state != "ok"]
    return f"{what} works here" + (f"; see also {', '.join(others)}" if others else "")
