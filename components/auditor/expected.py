"""What the configuration says about the Examples: everything that the auditor takes on trust."""

from dataclasses import dataclass

from pipeline.config import RESERVED_FEATURES, Config


@dataclass(frozen=True)
class Expected:
    """What the Examples are said to be.

    Attributes:
      task: as in the configuration.
      label: feature that holds the answer; None where the task has none.
      slices: features kept only to slice by.
      window_length: steps of a window; None for whole sequences.
      stride: steps from one window to the next.
      horizon: steps from a window's last step to its label.
      split_by: `time`, `sequence`, `order` or `given`.
      one_series: whether all windows are of one series.
      own_ids: whether sequences have ids of the source; otherwise ingest numbers them.
      label_is_rest: whether the label counts the steps that follow (`label_from: remaining_steps`).
      max_length: steps that a sequence is cut to; None: not cut.
      schema_given: whether the schema was reviewed and given, not inferred from the training split.
    """

    task: str = "multiclass"
    label: str | None = "label"
    slices: tuple[str, ...] = ()
    window_length: int | None = None
    stride: int = 1
    horizon: int = 0
    split_by: str = "sequence"
    one_series: bool = False
    own_ids: bool = True
    label_is_rest: bool = False
    max_length: int | None = None
    schema_given: bool = False

    @classmethod
    def of(cls, config: Config) -> "Expected":
        """What a configuration says."""
        data, has_label = config.data, config.task != "generation"
        return cls(
            task=config.task,
            label=config.label if has_label else None,
            slices=data.slices,
            window_length=data.window.length if data.window else None,
            stride=data.window.stride if data.window else 1,
            horizon=data.window.horizon if data.window and has_label else 0,
            split_by=config.split_by,
            one_series=config.one_series,
            own_ids=data.sequence_id is not None,
            label_is_rest=data.label_from is not None,
            max_length=data.max_length,
            schema_given=config.schema_ is not None,
        )

    @property
    def windows(self) -> bool:
        """Whether Examples are windows of series."""
        return self.window_length is not None

    @property
    def regression(self) -> bool:
        """Whether the label is a number."""
        return self.task == "regression"

    def is_feature(self, name: str) -> bool:
        """Whether a feature of the Examples is one that the model reads."""
        return name != self.label and name not in self.slices and name not in RESERVED_FEATURES
