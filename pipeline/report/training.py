"""The section on training: what was trained, and how it went."""

from collections.abc import Iterator

from markupsafe import Markup

from pipeline import record, summary
from pipeline.report import plots
from pipeline.report.blocks import Block, Count, Plot, Section, Table, Text
from pipeline.report.source import Number, RunFiles, Source


def training(files: RunFiles) -> Section:
    """Loss and metrics of each epoch."""
    history = files[record.RUN].at("training")
    return Section("training", "Training", [*_blocks(files, history)] if history else [])


def _blocks(files: RunFiles, history: Source) -> Iterator[Block]:
    yield Text(f"{summary.training_line(files.run)}.")
    epochs = list(history.each("epochs"))
    losses = [epoch.number("val_loss").known for epoch in epochs]
    kept = losses.index(min(losses)) + 1
    names = [name for name in epochs[0].value if f"val_{name}" in epochs[0].value]
    yield Plot(
        _curves(epochs, names, kept),
        "Dashed: the held-out part of the training split. Upright: the kept epoch.",
    )
    yield Text(_pace(history, epochs))
    rows = [
        [
            Count(Number(number)),
            *(epoch.number(f"{part}{name}") for name in names for part in ("", "val_")),
            epoch.number("learning_rate"),
            epoch.number("seconds"),
            "kept" if number == kept else None,
        ]
        for number, epoch in enumerate(epochs, 1)
    ]
    of = [f"{part}{name}" for name in names for part in ("", "held-out ")]
    yield Table("Every epoch", ["epoch", *of, "learning rate", "seconds", None], rows)


def _curves(epochs: list[Source], names: list[str], kept: int) -> Markup:
    panels, said = [], []
    for name in names:
        trained, held = ([epoch.number(f"{part}{name}") for epoch in epochs] for part in ("", "val_"))
        numbers = range(1, len(epochs) + 1)
        curves = [
            plots.Curve("fitted", [(at, one.known) for at, one in zip(numbers, trained, strict=True)]),
            plots.Curve("held out", [(at, one.known) for at, one in zip(numbers, held, strict=True)], True),
        ]
        panels.append(
            plots.Panel(
                name, "epoch", "", curves, mark=(kept, f"kept: {kept}"), dots=len(epochs) < 30, whole=True
            )
        )
        said.append(
            f"{name} went from {trained[0].said} to {trained[-1].said}, "
            f"held out from {held[0].said} to {held[-1].said}"
        )
    return plots.lines(
        panels, said=f"Curves over {len(epochs)} epochs: {'; '.join(said)}; epoch {kept} was kept."
    )


def _pace(history: Source, epochs: list[Source]) -> str:
    """How long the epochs took, and how much they read a second."""
    seconds = [epoch.number("seconds").value for epoch in epochs]
    if None in seconds or not seconds:
        return "How long the epochs took is not on record."
    total = sum(one for one in seconds if one is not None)
    said = f"{total:,.1f} s in all, {total / len(epochs):,.2f} s an epoch"
    fitted, steps = history.number("sequences", "fitted").value, history.number("steps").value
    if fitted and total:
        said += f": {fitted * len(epochs) / total:,.0f} sequences a second"
        said += f", {steps * len(epochs) / total:,.0f} steps" if steps else ""
    return f"{said}."
