"""What people see: one clean console, while the libraries' chatter goes to a file."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

if TYPE_CHECKING:
    from pipeline.runners.stage import Stage


@contextmanager
def chatter_to(log: Path, *, to_stderr: bool = False) -> Iterator[Console]:
    """Sends everything written to stdout and stderr, also by C++ code, to a file.

    Args:
      log: the file; it is appended to.
      to_stderr: keep stdout free for what a program reads.

    Yields:
      A console on what was stdout, or stderr.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    shown = os.dup(kept[1 if to_stderr else 0])
    with log.open("ab") as file, os.fdopen(shown, "w", encoding="utf-8", errors="replace") as out:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield console(out)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, saved in zip((1, 2), kept, strict=True):
                os.dup2(saved, number)
                os.close(saved)


def console(file: IO[str] | None = None) -> Console:
    """A console that prints words as they are: no markup, no highlighting, no wrapping off a terminal."""
    made = Console(file=file, markup=False, highlight=False, emoji=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = 160
    return made


class Progress(logging.Handler):
    """Shows the stages of a run and the lines of training: a spinner on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console
        self._spinner = Spinner("dots", "starting")
        # Without redirection: what the libraries print is on its way to the log, not to the screen.
        self._live = Live(
            self._spinner, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
        )

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._live.start()
        logger = logging.getLogger("sluice")
        logger.setLevel(logging.INFO)
        logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("sluice").removeHandler(self)
        self._live.stop()

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a line of the project's own loggers, such as one epoch."""
        self._console.print(f"    {record.getMessage()}")

    def on_stage(self, stage: "Stage") -> None:
        """Prints a stage that ended; shows one that runs."""
        if stage.status == "running":
            self._spinner.update(text=stage.name)
            return
        outcome = "cached" if stage.cached else f"{stage.seconds:.1f} s"
        mark = "" if stage.status == "done" else "  failed"
        self._console.print(f"  {stage.name:<18} {outcome:>8}{mark}")
