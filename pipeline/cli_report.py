"""The command that shows a run as one page."""

import webbrowser
from pathlib import Path

import click

from pipeline import record


@click.command()
@click.argument("run", required=False)
@click.option("--root", default="runs", show_default=True, help="Where runs are, for ids and names.")
@click.option("--compare", nargs=2, metavar="RUN RUN", help="Two runs side by side, on one page.")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def report(run: str | None, root: str, compare: tuple[str, str] | None, show: bool) -> None:
    """Writes a run's report.html and model_card.md anew.

    RUN is a run's folder, its id, or a model's name; without it, the newest run.
    """
    if compare and run is not None:
        raise click.UsageError("--compare takes both runs itself: sluice report --compare RUN RUN")
    folders = [record.find(one, Path(root)) for one in compare or (run,)]
    from pipeline import summary
    from pipeline.report import written

    path = written.write_comparison(*folders) if compare else written.write(*folders)
    click.echo(summary.shown_path(path))
    if show and not webbrowser.open(path.resolve().as_uri()):
        click.echo("no browser could be opened here", err=True)
