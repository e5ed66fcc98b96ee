"""Which model a new one is compared with."""

from typing import Any

from tfx import types
from tfx import v1 as tfx

MODEL, BLESSING, CANDIDATE = "model", "model_blessing", "candidate"


class LastBlessedOther(tfx.dsl.experimental.LatestBlessedModelStrategy):
    """The latest blessed model that is not the candidate itself.

    TFX's own strategy gives a model that is judged again to itself as the baseline: nothing to compare, and
    a repeated run would find no stage after it in the cache, and push the same model a second time.
    """

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Resolves `model` and `model_blessing`, given the `candidate`; see the base class."""
        candidates = input_dict[CANDIDATE]
        others = [model for model in input_dict[MODEL] if model.id not in {one.id for one in candidates}]
        found = super().resolve_artifacts(store, {MODEL: others, BLESSING: input_dict[BLESSING]})
        return {**found, CANDIDATE: candidates}
