"""The commands that ask a served model, or look at what it was asked."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli_options import CONFIG, SET
from pipeline.errors import DataRefused

if TYPE_CHECKING:
    from rich.table import Table

    from serving.drift.report import Report

_PORTS = {False: 8500, True: 8501}  # those of TensorFlow Serving, by gRPC and by REST
_TIMEOUT_S = 30.0
_ATTEMPTS = 3
_DRIFTED = DataRefused.exit_code


@click.command()
@CONFIG
@click.argument("source", metavar="INPUT")
@SET
@click.option("--host", default="localhost", show_default=True, help="Where the model is served.")
@click.option("--port", type=click.IntRange(1, 65535), help="Default: 8500, with --rest 8501.")
@click.option("--rest", is_flag=True, help="Ask by REST, not by gRPC.")
@click.option("--version", type=click.IntRange(0, 2**63 - 1), help="The version to ask; default: the newest.")
@click.option("--out", metavar="FILE", help="Write all answers there: .csv, .parquet or .json.")
@click.option(
    "--max-new-tokens", default=20, show_default=True, type=click.IntRange(0, 2**31 - 1), help="generation"
)
@click.option("--temperature", default=1.0, show_default=True, type=click.FloatRange(0), help="generation")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(-(2**63), 2**63 - 1), help="generation"
)
def predict(
    config: str, source: str, overrides: tuple[str, ...], host: str, port: int | None, rest: bool,
    version: int | None, out: str | None, max_new_tokens: int, temperature: float, seed: int,
) -> None:  # fmt: skip
    """Asks the served model about a file, and prints its answers.

    INPUT is a file in the format that its name tells, else in that of the configuration; a label is not
    needed; where the configuration cuts windows, every window of each series is asked. Of a model that
    takes prompts, or one text, it is a text file with one a line, or - for standard input.
    """
    from pipeline import terminal
    from pipeline.config_file import load

    loaded = load(config, overrides, local_files=False)
    place = f"{f'[{host}]' if ':' in host else host}:{port or _PORTS[rest]}"
    address = f"http://{place}" if rest else place
    with terminal.chatter_to(Path(os.devnull)) as console:
        from pipeline import predict as asking
        from serving.client import Client

        if out is not None:
            asking.refuse_out(out, source)
        drawn = asking.Drawn(max_new_tokens, temperature, seed)
        with Client(
            address, loaded.name, version=version, timeout_s=_TIMEOUT_S, attempts=_ATTEMPTS
        ) as client:
            found = asking.predict(loaded, source, client, drawn, f"sluice serve {config}")
        if out is not None:
            asking.write(found.table, out)
        for part in asking.shown(found.table, terminal=console.is_terminal):
            console.print(part)
        if found.left_out:
            console.print(f"left out: {found.left_out}")


@click.command()
@CONFIG
@click.argument("log", metavar="LOG")
@SET
@click.option("--json", "as_json", is_flag=True, help="Print every measure as JSON.")
def drift(config: str, log: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Compares logged requests with what the served model was trained on.

    LOG is a folder, a file or a glob in quotation marks of TFRecords of tf.Example, plain or GZIP, as
    the request log of the client or of a server writes them. Exit status 3 where anything is further
    away than the bounds of the section `drift` allow, beyond what chance makes of so many requests.
    """
    from pipeline import terminal
    from pipeline.config_file import load

    loaded = load(config, overrides, local_files=False)
    with terminal.chatter_to(Path(os.devnull)) as console:
        from serving.drift.report import compare

        report = compare(loaded, log)
        if not as_json:
            console.print(_headline(report))
            console.print(_table(report))
            for note in report.notes:
                console.print(f"note: {note}")
            console.print(_conclusion(report))
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    sys.exit(_DRIFTED if report.drifted else 0)


def _headline(report: "Report") -> str:
    version = f"version {report.run.version}, " if report.run.version else ""
    return (
        f"{report.log.sequences:,} logged sequences, {report.log.steps:,} steps, against the training "
        f"split of {version}run {report.run.run_id}"
    )


def _table(report: "Report") -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="none")
    for name in ("feature", "measure", "value", "by chance", "bound", "", "what it means"):
        numeric = name in ("value", "by chance", "bound")
        table.add_column(name, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for one in report.measured:
        figures = (f"{figure:.4f}" for figure in (one.value, one.by_chance, one.bound))
        table.add_row(
            one.feature or "(all)", one.measure, *figures, "DRIFT" if one.beyond else "", one.meaning
        )
    return table


def _conclusion(report: "Report") -> str:
    beyond = sum(one.beyond for one in report.measured)
    if not beyond:
        return f"no drift: none of {len(report.measured)} measures is beyond its bound"
    return f"drift: {beyond} of {len(report.measured)} measures are beyond bound and chance together"
