"""`sluice versions` and `sluice rollback`: what is served, and going back; without TensorFlow."""

import json

import click

from pipeline.cli_options import CONFIG, SET, user
from pipeline.words import on_one_line


@click.command()
@CONFIG
@SET
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def versions(config: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Lists what was pushed for TF Serving, newest first, with the run that made it."""
    from pipeline import served
    from pipeline.config_file import load

    loaded = load(config, overrides, local_files=False)
    if as_json:
        click.echo(json.dumps(served.rows(loaded), indent=2, ensure_ascii=False))
        return
    for line in served.version_lines(loaded):
        click.echo(line)


@click.command()
@CONFIG
@click.argument("version", required=False, type=click.IntRange(min=0))
@SET
@click.option("--reason", metavar="TEXT", help="Why; it stays on record.")
def rollback(config: str, version: int | None, overrides: tuple[str, ...], reason: str | None) -> None:
    """Goes back to an old version, by pushing it again as the newest.

    VERSION is one that `sluice versions` lists; without it, the newest whose content is not that of the
    one that is served.
    """
    from pipeline.config_file import load
    from pipeline.served import rollback_lines

    loaded = load(config, overrides, local_files=False)
    for line in rollback_lines(loaded, version, reason=on_one_line(reason or ""), by=user()):
        click.echo(line)
