"""The command line. Nothing here imports TensorFlow before a command needs it."""

import json
import os
import shutil
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import __version__, record, run_lock
from pipeline.cli_asking import drift, predict
from pipeline.cli_compile import compile_
from pipeline.cli_doctor import doctor
from pipeline.cli_options import CONFIG, SET, WHERE, user, where
from pipeline.cli_report import report
from pipeline.cli_serving import serve
from pipeline.cli_versions import rollback, versions
from pipeline.errors import INTERRUPTED, ConfigError, SluiceError
from pipeline.interrupts import Interrupts
from pipeline.words import on_one_line

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.runners.stage import Stage


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sluice")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Trains GRU sequence models and lets through only what should pass.

    Exit status: 0 done (for run: pushed), 1 unexpected failure, 2 wrong usage or configuration,
    3 data refused, or drift beyond its bounds, 4 model refused, 5 model not servable, 130 interrupted.
    """
    context.obj = debug


@cli.command()
@click.argument("data")
@click.option(
    "-o", "--output", default="sluice.yaml", show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration to write; the schema goes beside it, as .pbtxt.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def init(data: str, output: Path, force: bool) -> None:
    """Looks at a file and writes a first configuration and schema, to review.

    DATA is a file, or a glob in quotation marks.
    """
    from pipeline.init import first_config

    for line in first_config.write(data, output, force=force):
        click.echo(line)
    click.echo(f"next: {_program()} check {output}")


@cli.command()
@CONFIG
@SET
@WHERE
@click.option(
    "--force-bless", is_flag=True, help="Let the model be worse than the last blessed one; needs --reason."
)
@click.option("--reason", metavar="TEXT", help="Why; it stays on record.")
@click.argument("beam_args", nargs=-1, type=click.UNPROCESSED)
def run(
    config: str,
    overrides: tuple[str, ...],
    runner: str | None,
    workers: int | None,
    force_bless: bool,
    reason: str | None,
    beam_args: tuple[str, ...],
) -> None:
    """Runs the whole chain: data to a pushed model.

    What follows -- goes to the Beam pipelines of the stages, after run.beam_args.
    """
    forced = on_one_line(reason or "")
    if force_bless != bool(forced):
        raise click.UsageError("--force-bless and --reason TEXT belong together; give both")
    overrides += where(runner, workers)
    _execute(config, overrides, beam_args, until_audit=False, forced=forced, forced_by=forced and user())


@cli.command()
@CONFIG
@SET
@WHERE
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON, and all else to stderr.")
@click.argument("beam_args", nargs=-1, type=click.UNPROCESSED)
def check(
    config: str,
    overrides: tuple[str, ...],
    runner: str | None,
    workers: int | None,
    as_json: bool,
    beam_args: tuple[str, ...],
) -> None:
    """Ingests and judges the data, and stops there.

    What follows -- goes to the Beam pipelines of the stages, after run.beam_args.
    """
    _execute(config, overrides + where(runner, workers), beam_args, until_audit=True, as_json=as_json)


@cli.command()
@click.argument("run", required=False)
@click.option("--root", default="runs", show_default=True, help="Where runs are, for ids and names.")
@click.option("--json", "as_json", is_flag=True, help="Print the reasons as JSON.")
def why(run: str | None, root: str, as_json: bool) -> None:
    """Says why a run ended as it did, and what to do next.

    RUN is a run's folder, its id, or a model's name; without it, the newest run.
    """
    from pipeline import summary

    folder = record.find(run, Path(root))
    if as_json:
        click.echo(json.dumps(summary.reasons(folder), indent=2, ensure_ascii=False))
        return
    for line in summary.why(folder):
        click.echo(line)


@cli.command()
@click.argument("config", required=False, type=click.Path(dir_okay=False))
@SET
@click.option("--root", default="runs", show_default=True, help="Where runs are, without CONFIG.")
def runs(config: str | None, overrides: tuple[str, ...], root: str) -> None:
    """Lists the runs, newest first."""
    if config:
        from pipeline.config_file import load

        loaded = load(config, overrides, local_files=False)
        homes = [Path(loaded.run.root) / loaded.name]
    else:
        homes = [path for path in Path(root).iterdir() if path.is_dir()] if Path(root).is_dir() else []
    folders = [folder for home in homes for folder in record.runs(home)]
    if not folders:
        click.echo(f"no runs in {', '.join(map(str, homes)) or root}")
    for folder in sorted(folders, key=lambda path: path.name, reverse=True):
        click.echo(_run_line(folder))


def _run_line(folder: Path) -> str:
    run = run_lock.outcome(folder)
    pushed = f"version {run['pushed']['version']}" if run["pushed"] else ""
    seconds = sum(stage["seconds"] for stage in run["stages"])
    status = "interrupted" if run["exit_code"] == INTERRUPTED else run["status"]
    return f"{run['run_id']:<20} {run['name']:<20} {status:<14} {seconds:7.1f} s  {pushed}".rstrip()


for _command in (report, compile_, versions, rollback, serve, predict, drift, doctor):
    cli.add_command(_command)


def _execute(
    path: str,
    overrides: Sequence[str],
    beam_args: Sequence[str],
    *,
    until_audit: bool,
    as_json: bool = False,
    forced: str = "",
    forced_by: str = "",
) -> None:
    from components.verdict.policy import PARADOX, accuracy_alone
    from pipeline import terminal
    from pipeline.config_file import load
    from pipeline.gate_checks import refuse_unknown_slices
    from pipeline.metadata_connection import refuse_unreachable

    with terminal.chatter_to(Path(os.devnull)):  # MySQL's library and TensorFlow have their own words for it
        config = load(path, overrides)
        refuse_unknown_slices(path, config)
        config = config.model_copy(
            update={"run": config.run.model_copy(update={"beam_args": (*config.run.beam_args, *beam_args)})}
        )
        refuse_unreachable(config)
        if config.run.beam_args:
            from pipeline.runners import beam_args as arguments

            arguments.beam_args(config.run)  # refuses what Beam does not know
    with (
        run_lock.new_run(Path(config.run.root) / config.name) as folder,
        terminal.chatter_to(folder / record.LOG, to_stderr=as_json) as console,
    ):

        def give_up() -> None:
            record.write(folder, record.RUN, _interrupted(folder))
            console.print("interrupted: nothing was pushed")
            os._exit(INTERRUPTED)

        console.print(f"sluice {__version__}: {config.name}, run {folder.name}")
        if accuracy_alone(config):
            console.print(f"warning: {PARADOX}")
        if config.gate.thresholds is None and not until_audit:
            console.print(f"bounds: the default policy of {config.task}; gate.thresholds sets your own")
        try:
            with terminal.Progress(console) as progress, Interrupts(give_up) as interrupts:

                def on_stage(stage: "Stage") -> None:
                    progress.on_stage(stage)
                    if stage.status != "done":  # what failed may have made another error of it
                        interrupts.check()

                from pipeline.execute import execute

                result = execute(
                    config, folder, on_stage, until_audit=until_audit, forced=forced, forced_by=forced_by
                )
        except KeyboardInterrupt:  # while the libraries were loading: nothing has begun
            give_up()
        _report(console, folder)
    if as_json:
        click.echo(json.dumps(_checked(folder), indent=2))
    if result.exit_code == INTERRUPTED:
        os._exit(INTERRUPTED)  # Beam's threads may still be at work
    sys.exit(result.exit_code)


def _checked(folder: Path) -> dict[str, object]:
    """What `check --json` prints: validation.json, where the data got that far, and how the run ended."""
    run = record.read(folder, record.RUN) or {}
    nothing: dict[str, object] = {"verdict": None, "checks_run": [], "findings": []}
    ended = {name: run[name] for name in ("run_id", "name", "status", "exit_code", "error")}
    return {**(record.read(folder, record.VALIDATION) or nothing), **ended}


def _interrupted(folder: Path) -> dict[str, object]:
    """run.json of a run that was ended at once."""
    return {
        **(record.read(folder, record.RUN) or record.begun(folder)),
        "status": "failed",
        "exit_code": INTERRUPTED,
        "finished": record.now(),
        "error": "interrupted",
    }


def _report(console: "Console", folder: Path) -> None:
    """Prints the closing summary of a run, and writes its report."""
    from pipeline import summary

    run = record.read(folder, record.RUN) or {}
    console.print()
    validation = record.read(folder, record.VALIDATION)
    for line in summary.data_lines(validation):
        console.print(line)
    findings = validation["findings"] if validation else []
    # Where a later stage refused the data, the reason is its own, not that of a warning about the data.
    by_audit = run["status"] == "data_refused" and any(one["severity"] == "error" for one in findings)
    if validation and findings:
        console.print()
        console.print(summary.findings_table(validation))
    if trained := summary.training_line(run):
        console.print(trained)
    if evaluation := record.read(folder, record.EVALUATION):
        console.print()
        console.print(summary.metrics_table(evaluation))
    console.print()
    for line in [next(summary.why(folder))] if by_audit else summary.why(folder):
        console.print(line)
    if validation and findings and (by_audit or run["status"] == "checked"):
        for line in summary.remedies(validation):
            console.print(f"  {line}")
    _write_report(console, folder)
    shown = summary.shown_path(folder)
    if run["status"] == "failed" and run["exit_code"] != ConfigError.exit_code:
        console.print(f"the log has the whole of it: {shown}/{record.LOG}")
    elif run["status"] != "checked":
        console.print(f"next: {_program()} why {shown}")


def _write_report(console: "Console", folder: Path) -> None:
    """Writes the page of a run; what became of the run stands, whatever becomes of the page."""
    from pipeline import summary
    from pipeline.report import written

    try:
        console.print(f"report: {summary.shown_path(written.write(folder))}")
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (see above)
        traceback.print_exc()
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else error
        again = f"sluice report {summary.shown_path(folder)} tries again"
        console.print(f"warning: there is no report ({why}); {again}")


def _program() -> str:
    """The command as the user can type it here: its path where it is not on PATH."""
    from pipeline import summary

    script = Path(sys.executable).with_name("sluice")
    return "sluice" if shutil.which("sluice") or not script.is_file() else summary.shown_path(script)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits with its status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        cli.main(args=list(arguments), prog_name="sluice", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except SluiceError as error:
        _fail(str(error), error.exit_code, arguments)
    except ImportError as error:
        _fail(f"cannot be loaded: {error}; sluice doctor says what is missing, and the remedy", 1, arguments)
    except Exception as error:  # noqa: BLE001 (the last resort: one line, not a traceback)
        _fail(f"unexpected {type(error).__name__}: {error}", 1, arguments)


def _fail(message: str, exit_code: int, arguments: Sequence[str]) -> None:
    if "--debug" in arguments:
        traceback.print_exc()
    click.echo(message, err=True)
    sys.exit(exit_code)
