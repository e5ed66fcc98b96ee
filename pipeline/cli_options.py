"""What several commands take."""

import getpass
import os

import click

CONFIG = click.argument("config", type=click.Path(dir_okay=False))
SET = click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Change one key.")


def user() -> str:
    """Who is at the command line, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"
