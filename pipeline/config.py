"""The typed configuration: frozen objects, one section a class."""

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Discriminator, Field, Tag

from pipeline.config_kubeflow import Kubeflow
from pipeline.config_values import STRICT, Duration, duration_us
from pipeline.errors import ConfigError
from pipeline.locations import matches

# What ingest writes beside the features, and what requests for an answer name their parts.
RESERVED_FEATURES = (
    "sequence_id", "sequence_length", "series_id", "window_start", "step_time", "label_time",
    "examples", "lengths",
)  # fmt: skip


class _Section(BaseModel):
    model_config = STRICT


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0)]
Paths = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_tuple, json_schema_input_type=str | Annotated[tuple[str, ...], Field(min_length=1)]),
    Field(min_length=1),
]
# YAML 1.1 reads a bare `off` as false.
Severity = Annotated[
    Literal["error", "warning", "off"],
    BeforeValidator(
        lambda value: "off" if value is False else value,
        json_schema_input_type=Literal["error", "warning", "off", False],
    ),
]
Format = Literal["csv", "parquet", "ts", "tfrecord", "text"]
FeatureKind = Literal["float", "integer", "category", "text"]


def _delimiter(text: str) -> str:
    if text not in ("tab", "whitespace") and (len(text) != 1 or text in '"\r\n' or ord(text) > 127):
        raise ValueError("expected one ASCII character, tab or whitespace")
    return "tab" if text == "\t" else text


def _as_class(value: Any) -> Any:
    """A class that YAML may have read as a number; what it reads as a boolean could be one of many texts."""
    if isinstance(value, bool):
        raise ValueError('expected text; YAML reads yes, no, true and false as booleans: write "yes"')
    return str(value) if isinstance(value, int | float) else value


class GivenSource(_Section):
    """Two sources, where the split is given by the files."""

    train: Annotated[Paths, Field(description="file, glob or list of them: the training split")]
    eval: Annotated[Paths, Field(description="file, glob or list of them: the evaluation split")]


Source = Annotated[
    Annotated[Paths, Tag("files")] | Annotated[GivenSource, Tag("given")],
    Discriminator(lambda value: "given" if isinstance(value, dict | GivenSource) else "files"),
]


class Window(_Section):
    """Windows cut from a series."""

    length: Annotated[Positive, Field(description="steps in a window")]
    stride: Annotated[Positive, Field(description="steps from one window to the next")] = 1
    horizon: Annotated[int, Field(ge=0, description="steps from the window's end to its label")] = 1


class Data(_Section):
    """Where the sequences come from and what their columns mean."""

    source: Annotated[
        Source, Field(description="file, glob or list; or {train: …, eval: …} where the split is given")
    ]
    format: Annotated[
        Format | None,
        Field(description="default: from the file name; .gz is fine"),
    ] = None
    tokens: Annotated[Literal["characters", "words"], Field(description="text: what a step is")] = (
        "characters"
    )
    columns: Annotated[
        tuple[str, ...] | None,
        Field(min_length=1, description="csv: names of all columns, where the file has none"),
    ] = None
    header: Annotated[
        bool | None,
        Field(description="csv: whether the first line is a header; default: unless columns are given"),
    ] = None
    delimiter: Annotated[
        Annotated[str, AfterValidator(_delimiter)] | None,
        Field(description="csv: one character, tab or whitespace (any blanks); default: comma, in .tsv tab"),
    ] = None
    quoted: Annotated[bool, Field(description="csv: whether cells may stand in double quotes")] = True
    payload: Annotated[Literal["example", "sequence_example"], Field(description="what a TFRecord holds")] = (
        "example"
    )
    sequence_id: Annotated[str | None, Field(description="column; rows with one value form one sequence")] = (
        None
    )
    time: Annotated[
        str | None,
        Field(description="column that orders the steps, number or timestamp; absent: order of the rows"),
    ] = None
    label: Annotated[str | None, Field(description="column that holds the answer")] = None
    label_from: Annotated[
        Literal["remaining_steps"] | None,
        Field(description="regression: the label is no column, but how many steps of the series follow"),
    ] = None
    label_max: Annotated[
        float | None, Field(description="regression: labels above it count as this number")
    ] = None
    positive: Annotated[
        str | None,
        BeforeValidator(_as_class),
        Field(description="binary: the class to find; default: the last in order, 1 of 0 and 1"),
    ] = None
    label_time: Annotated[str | None, Field(description="column: when the label was known")] = None
    features: Annotated[
        dict[str, FeatureKind] | None, Field(min_length=1, description="column: kind; absent: inferred")
    ] = None
    on_bad_rows: Annotated[
        Literal["error", "skip"],
        Field(description="what becomes of rows that cannot be read; skipped ones are listed"),
    ] = "error"
    ignore: Annotated[tuple[str, ...], Field(description="columns to leave out")] = ()
    slices: Annotated[tuple[str, ...], Field(description="columns kept only to slice by")] = ()
    window: Annotated[Window | None, Field(description="windows of a series")] = None
    max_length: Annotated[
        Positive | None, Field(description="steps; longer sequences are cut to their last steps")
    ] = None
    truncate: Annotated[Literal["last", "first"], Field(description="which steps a cut sequence keeps")] = (
        "last"
    )


class Split(_Section):
    """Which sequences train the model and which judge it."""

    by: Annotated[
        Literal["time", "sequence", "order", "given"] | None,
        Field(description="default: given where the source is; time or order for one series; else sequence"),
    ] = None
    eval_fraction: Annotated[
        Fraction | None, Field(description="share of the sequences, or of a series' steps; default 0.2")
    ] = None
    cutoff: Annotated[
        str | int | float | None, Field(description="split.by time: the first moment of the evaluation split")
    ] = None
    gap: Annotated[
        Annotated[int, Field(ge=0)] | Duration,
        Field(description="steps, or a duration such as 7d, left out between the splits"),
    ] = 0

    @property
    def gap_steps(self) -> int:
        """The gap in steps; 0 where it is a duration."""
        return self.gap if isinstance(self.gap, int) else 0

    @property
    def gap_us(self) -> int:
        """The gap in microseconds; 0 where it is in steps."""
        return 0 if isinstance(self.gap, int) else duration_us(self.gap)


class Audit(_Section):
    """How the auditor judges what it finds."""

    severity: Annotated[dict[str, Severity], Field(description="check: error, warning or off")] = {}


class Model(_Section):
    """The GRU."""

    units: Annotated[tuple[Positive, ...], Field(min_length=1, description="one GRU layer each")] = (64,)
    bidirectional: bool = False
    dropout: Rate = 0.2
    recurrent_dropout: Rate = 0.0
    l2: NonNegative = 0.0
    embedding: Annotated[Positive, Field(description="width for category and text features")] = 64
    vocabulary: Annotated[Positive, Field(description="most frequent words kept")] = 20000


class Training(_Section):
    """How the GRU is trained."""

    epochs: Positive = 20
    batch_size: Positive = 64
    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    patience: Annotated[
        int, Field(ge=1, description="epochs without a better validation loss before training stops")
    ] = 3
    schedule: Annotated[
        Literal["constant", "cosine", "plateau"],
        Field(description="learning rate: the same, down to 0 over the epochs, or halved on a plateau"),
    ] = "constant"
    clip_norm: Annotated[float, Field(gt=0, description="norm that gradients are cut to")] = 1.0
    class_weight: Annotated[
        Literal["none", "balanced"] | dict[str, NonNegative],
        Field(description="balanced: the same weight for each class in total; or class: weight, 1 if absent"),
    ] = "none"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1


class Threshold(_Section):
    """One bound on one metric, overall or on every value of a slice."""

    metric: str
    min: float | None = None
    max: float | None = None
    slice: Annotated[str | None, Field(description="absent: overall")] = None


BoundOrPolicy = Annotated[
    Annotated[Threshold, Tag("bound")] | Annotated[Literal["default"], Tag("policy")],
    Discriminator(lambda value: "policy" if isinstance(value, str) else "bound"),
]


class Gate(_Section):
    """What a model must reach."""

    thresholds: Annotated[
        tuple[BoundOrPolicy, ...] | None,
        Field(
            min_length=1,
            description="bounds; `default` among them stands for those of the task's default policy, "
            "which holds alone where the key is absent",
        ),
    ] = None
    slices: Annotated[
        tuple[str, ...] | None,
        Field(
            description="what to slice by besides overall and data.slices: sequence_length, label, time or "
            "a feature of categories; default: the first three, where there are any"
        ),
    ] = None
    confidence: Annotated[
        Annotated[float, Field(gt=0, le=0.9999)] | None,
        Field(description="of the interval whose pessimistic end must meet a bound; null: the value itself"),
    ] = 0.95
    correct_for_slices: Annotated[
        bool,
        Field(description="whether the slices of a bound are tested together (Holm), not each by itself"),
    ] = True
    min_slice_size: Annotated[
        Positive, Field(description="sequences; a bound is not held against a smaller slice")
    ] = 30
    small_slices: Annotated[
        Literal["warn", "fail", "ignore"], Field(description="what becomes of a slice that is smaller")
    ] = "warn"
    max_overfit_gap: Annotated[
        NonNegative | None,
        Field(
            description="training minus evaluation, on each thresholded metric; errors of numbers in "
            "standard deviations of the label; null: not judged"
        ),
    ] = 0.10
    beat_trivial_by: Annotated[
        Rate | None,
        Field(
            description="share of the error of the best trivial model that must be saved; null: not judged"
        ),
    ] = 0.02
    max_drop: Annotated[
        NonNegative | None,
        Field(description="of each thresholded metric below the last blessed model's; null: not judged"),
    ] = 0.01
    suspicious_above: Annotated[
        Annotated[float, Field(gt=0, le=1)] | None,
        Field(description="a value above it is too good to be true; null: none is"),
    ] = None


class Servability(_Section):
    """What an export must show before it is pushed, beside loading and answering as in training."""

    p99_ms: Annotated[
        Annotated[float, Field(gt=0)] | None,
        Field(description="budget for the 99th percentile of the time of one sequence; absent: not judged"),
    ] = None
    memory_mb: Annotated[
        Annotated[float, Field(gt=0)] | None,
        Field(
            description="budget for the memory of a process that has loaded and answered; absent: not judged"
        ),
    ] = None
    tf_serving: Annotated[
        str | None,
        Field(
            description="version of TensorFlow Serving, such as 2.16; default: that of tensorflow-serving-api"
        ),
    ] = None
    tf_serving_image: Annotated[
        str | None,
        Field(description="image for TFX's InfraValidator, such as tensorflow/serving:2.16.1; needs Docker"),
    ] = None

    @property
    def version(self) -> str:
        """Version of TensorFlow Serving whose ops a graph may use."""
        return self.tf_serving or ".".join(metadata.version("tensorflow-serving-api").split(".")[:2])


def _local_path(place: str) -> str:
    """A folder of this machine by its path, also where it was given as `file:///…`."""
    return place.removeprefix("file://") if place.startswith("file:///") else place


class Push(_Section):
    """Where approved models go."""

    to: Annotated[
        str, AfterValidator(_local_path), Field(description="TF Serving base path is <to>/<name>")
    ] = "serving_models"
    keep: Annotated[Positive, Field(description="versions that stay; older ones are removed")] = 5


class Drift(_Section):
    """How far logged requests may be from the training split; null: not judged."""

    numbers: Annotated[
        Fraction | None, Field(description="Jensen-Shannon divergence of a number, in bits")
    ] = 0.05
    categories: Annotated[
        Fraction | None, Field(description="largest difference of the share of one category")
    ] = 0.1
    lengths: Annotated[
        Fraction | None,
        Field(
            description="largest difference of the distribution functions of steps, and of words of a text"
        ),
    ] = 0.1
    missing: Annotated[
        Fraction | None, Field(description="difference of the share of missing values, and of unknown words")
    ] = 0.05


class Run(_Section):
    """Where and how the pipeline runs."""

    root: Annotated[
        str,
        AfterValidator(_local_path),
        Field(description="folder of this machine: records of the runs, and the metadata of TFX"),
    ] = "runs"
    artifacts: Annotated[
        Annotated[str, AfterValidator(_local_path)] | None,
        Field(
            description="folder or prefix of an object store: TFX's artifacts are in <artifacts>/<name>; "
            "default: beside the metadata"
        ),
    ] = None
    runner: Annotated[
        Literal["local", "beam"],
        Field(description="local: one stage after the other; beam: as the steps of one Beam pipeline"),
    ] = "local"
    workers: Annotated[
        Positive, Field(description="processes of this machine that share the Beam work of a stage")
    ] = 1
    beam_args: Annotated[
        tuple[str, ...], Field(description="of the stages' Beam pipelines, such as --runner=FlinkRunner")
    ] = ()
    metadata: Annotated[
        str | None,
        Field(
            description="of ML Metadata: mysql://user@host:port/database, its password in MYSQL_PWD; "
            "absent: SQLite beside the artifacts"
        ),
    ] = None


_LONGEST_NAME = 54  # TFX takes 63 for a pipeline, which where they meet in one database also tells its place


def _model_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError("expected lower-case letters, digits and _, beginning with a letter")
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"expected at most {_LONGEST_NAME} characters")
    return name


class Config(_Section):
    """A whole configuration file."""

    name: Annotated[
        str, AfterValidator(_model_name), Field(description="model name for TF Serving: [a-z][a-z0-9_]*")
    ]
    task: Literal["binary", "multiclass", "regression", "generation"]
    data: Data
    split: Split = Split()
    schema_: Annotated[
        str | None, Field(alias="schema", description="absent: inferred from the training split only")
    ] = None
    audit: Audit = Audit()
    model: Model = Model()
    training: Training = Training()
    gate: Gate = Gate()
    servability: Servability = Servability()
    push: Push = Push()
    drift: Drift = Drift()
    run: Run = Run()
    kubeflow: Kubeflow = Kubeflow()

    @property
    def push_base(self) -> str:
        """What TF Serving polls: `<push.to>/<name>`, a folder or a prefix of an object store."""
        return f"{self.push.to.rstrip('/')}/{self.name}"

    @property
    def artifacts(self) -> str | None:
        """Where TFX's artifacts are: `<run.artifacts>/<name>`; None where they are beside the metadata."""
        return f"{self.run.artifacts.rstrip('/')}/{self.name}" if self.run.artifacts else None

    @property
    def label(self) -> str:
        """Name of the label in the Examples; sources without column names call it `label`."""
        return self.data.label or "label"

    @property
    def format(self) -> str | None:
        """Format of the source: as configured, else from the first file's name."""
        return self.data.format or format_of(next(iter(source_paths(self.data))))

    def prompt(self, kinds: Mapping[str, FeatureKind]) -> str:
        """How a prompt becomes steps, see `components.trainer.generation.PROMPTS`."""
        if self.format == "text":
            return self.data.tokens
        return "text" if "text" in kinds.values() else "separated"

    @property
    def split_by(self) -> str:
        """The split rule, with its default resolved."""
        if self.split.by:
            return self.split.by
        if isinstance(self.data.source, GivenSource):
            return "given"
        if self.one_series:
            return "time" if self.data.time else "order"
        return "order" if self._one_text else "sequence"

    @property
    def one_series(self) -> bool:
        """Whether all rows are one series, from which windows are cut."""
        data = self.data
        records = self.format in ("ts", "text") or data.payload == "sequence_example"
        return data.window is not None and data.sequence_id is None and not records

    @property
    def _one_text(self) -> bool:
        """Whether windows are cut from one file of text, which is a series of its own."""
        paths = list(source_paths(self.data))
        return (
            self.format == "text"
            and self.data.window is not None
            and len(paths) == 1
            and not glob.has_magic(paths[0])
        )


def source_paths(data: Data) -> Iterator[str]:
    """Every path or glob of the source, in the order they are named."""
    source = data.source
    yield from (*source.train, *source.eval) if isinstance(source, GivenSource) else source


def expand(paths: Sequence[str]) -> list[str]:
    """The files that paths and globs name, each once, sorted by name, numbers in it by their value.

    Raises:
      ConfigError: a path or glob that matches no file.
      SluiceError: an object store cannot be asked.
    """
    found = {path: matches(path) for path in paths}
    if missing := [path for path, files in found.items() if not files]:
        raise ConfigError("a source is missing", [f"data.source: no file matches {path}" for path in missing])
    return sorted({file for files in found.values() for file in files}, key=_natural)


def _natural(path: str) -> tuple[list[tuple[int, str]], str]:
    """Sorts numbers in names by their value: part2 before part10."""
    parts = re.findall(r"(\d+)|(\D+)", path)
    return [(int(number or -1), text) for number, text in parts], path


_SUFFIXES = {
    "csv": "csv",
    "tsv": "csv",
    "parquet": "parquet",
    "ts": "ts",
    "tfrecord": "tfrecord",
    "tfrecords": "tfrecord",
}


def format_of(path: str) -> str | None:
    """The format that a file's name tells, if any."""
    return _SUFFIXES.get(Path(path.removesuffix(".gz")).suffix.lstrip(".").lower())
