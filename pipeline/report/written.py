"""Puts the report and the model card into a run's folder."""

from pathlib import Path

from pipeline import output_file
from pipeline.report.card import CARD, card, written_by_people
from pipeline.report.comparison import comparison
from pipeline.report.page import page
from pipeline.report.source import RunFiles

REPORT = "report.html"


def write(folder: Path) -> Path:
    """Writes report.html and model_card.md of a run.

    Raises:
      ConfigError: they cannot be written, or a file of the run cannot be read.
    """
    files = RunFiles.read(folder)
    for name, text in ((REPORT, page(files)), (CARD, card(files, written_by_people(folder)))):
        _put(folder / name, text)
    return folder / REPORT


def write_comparison(one: Path, other: Path) -> Path:
    """Writes the page of two runs into the folder of the second.

    Raises:
      ConfigError: it cannot be written, or a file of the runs cannot be read.
    """
    text = comparison(*(RunFiles.read(folder, among=True) for folder in (one, other)))
    path = other / f"compared-with-{one.name}.html"
    _put(path, text)
    return path


def _put(path: Path, text: str) -> None:
    with output_file.completed(path, str(path)) as part:
        part.write_text(text, encoding="utf-8", errors="replace")
