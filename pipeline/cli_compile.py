"""`sluice compile`: the specification for Kubeflow Pipelines."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import __version__
from pipeline.cli_options import CONFIG, SET
from pipeline.errors import ConfigError
from pipeline.output_file import completed

if TYPE_CHECKING:
    from pipeline.config import Config


@click.command(name="compile")
@CONFIG
@SET
@click.option(
    "-o", "--output", required=True, metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="The YAML file to write.",
)  # fmt: skip
@click.option("--image", help="Image of every step; default: kubeflow.image, else sluice:<version>.")
def compile_(config: str, overrides: tuple[str, ...], output: Path, image: str | None) -> None:
    """Writes the specification of the pipeline for Kubeflow Pipelines v2.

    Nothing is run, and the data need not be within reach.
    """
    from pipeline import terminal
    from pipeline.config_file import load
    from pipeline.config_kubeflow import IMAGE
    from pipeline.gate_checks import refuse_unknown_slices

    loaded = load(config, overrides, local_files=False)
    refuse_unknown_slices(config, loaded)
    _require_kfp()
    _refuse_output(output, Path(config))
    if image is not None and not re.fullmatch(IMAGE, image):
        raise ConfigError("the specification cannot be made", [f"--image: expected a name, got {image!r}"])
    image = image or loaded.kubeflow.image or f"sluice:{__version__}"
    with terminal.chatter_to(Path(os.devnull)):
        from pipeline.build import kinds_of_features
        from pipeline.runners import kubeflow

        kinds = kinds_of_features(loaded)
        text = kubeflow.specification(loaded, image, kinds)
        warnings = list(_warnings(loaded, known=bool(kinds)))
    with completed(output.resolve(), str(output)) as part:
        part.write_text(text, encoding="utf-8")
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"wrote {output} for the image {image}")
    click.echo("next: upload it to Kubeflow Pipelines and start a run, see docs/kubeflow.md")


def _refuse_output(output: Path, config: Path) -> None:
    """Ends where the file would take the place of something that it must not."""
    if not output.parent.is_dir():
        raise ConfigError(f"{output}: there is no folder {output.parent}", ["make it, or give another file"])
    if output.exists() and not output.is_file():
        raise ConfigError(f"{output}: expected a file to write, and this is none", ["give another one"])
    if output.exists() and output.samefile(config):
        raise ConfigError(f"{output}: is the configuration itself", ["give another file"])


def _require_kfp() -> None:
    try:
        import kfp  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "the specification cannot be made: kfp, the SDK of Kubeflow Pipelines, is not installed",
            ["pip install -r the requirements of this stack, or pip install kfp"],
        ) from error


def _warnings(config: "Config", *, known: bool) -> Iterator[str]:
    """What will surprise the one who starts a run; `known` says whether the kinds of features are."""
    from pipeline.runners import kubeflow

    for key, place in kubeflow.in_the_container(config):
        lost = (
            "what is pushed there is gone with the container"
            if key == "push.to"
            else "the image must hold it"
        )
        yield f"{key}: {place} is neither an address nor in a folder of kubeflow.volumes: {lost}"
    if not known:
        yield (
            "data.features: the data cannot be read from here, so that its text features are not known: "
            "every feature of text counts as a category; name the features to tell them apart"
        )
