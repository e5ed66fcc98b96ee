"""What several commands take."""

import getpass
import os
from collections.abc import Callable
from typing import Any

import click

CONFIG = click.argument("config", type=click.Path(dir_okay=False))
SET = click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Change one key.")


def WHERE(command: Callable[..., Any]) -> Callable[..., Any]:  # noqa: N802 (one of the options above)
    """The options that say where the stages run; see `where`."""
    runner = click.option(
        "--runner", type=click.Choice(["local", "beam"]), help="What runs the stages: run.runner."
    )
    workers = click.option(
        "--workers", type=click.IntRange(min=1), metavar="N", help="Processes for Beam's work: run.workers."
    )
    return runner(workers(command))


def where(runner: str | None, workers: int | None) -> tuple[str, ...]:
    """What the options of `WHERE` change, as `--set` takes it."""
    given = {"run.runner": runner, "run.workers": workers}
    return tuple(f"{key}={value}" for key, value in given.items() if value is not None)


def user() -> str:
    """Who is at the command line, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"
