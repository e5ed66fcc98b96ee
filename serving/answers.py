"""What a model answered, in columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Answers:
    """The answers to N sequences, in the order in which they were asked.

    Attributes:
      outputs: every output of the signature, [N] or [N, …]; text as str.
      ids: [N] names of the sequences, where the caller gave them.
    """

    outputs: Mapping[str, npt.NDArray[Any]]
    ids: Texts | None = None

    def __len__(self) -> int:
        return len(next(iter(self.outputs.values()), ()))

    @property
    def label(self) -> Texts | None:
        """The likeliest class, or next token, [N] str; None of a number."""
        return self.outputs.get("label")

    @property
    def score(self) -> npt.NDArray[np.float32] | None:
        """The probability of `label`, [N]."""
        return self.outputs.get("score")

    @property
    def prediction(self) -> npt.NDArray[np.float32] | None:
        """The predicted number, [N], or the numbers of the next step, [N, features]; None of a class."""
        return self.outputs.get("prediction")

    @property
    def probabilities(self) -> npt.NDArray[np.float32] | None:
        """[N, classes], in the order of `classes`."""
        return self.outputs.get("probabilities")

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes; none where the model has none, or nothing was asked."""
        classes = self.outputs.get("classes")
        return () if classes is None or not len(classes) else tuple(classes[0].tolist())

    def by_class(self) -> dict[str, npt.NDArray[np.float32]]:
        """Class to its probability, [N]."""
        if self.probabilities is None:
            return {}
        return {name: self.probabilities[:, place] for place, name in enumerate(self.classes)}

    def table(self) -> pa.Table:
        """The answers with a row a sequence: ids, label, score, a column a class; or the prediction."""
        columns: dict[str, Any] = {} if self.ids is None else {"sequence_id": self.ids.tolist()}
        for name in ("label", "score", "prediction"):
            if (found := self.outputs.get(name)) is not None:
                columns[name] = pa.array(found.tolist() if found.ndim > 1 or found.dtype == object else found)
        for name, found in self.by_class().items():
            columns[f"probability[{name}]"] = pa.array(found)
        for name in ("log_likelihood", "tokens"):
            if name in self.outputs:
                columns[name] = pa.array(self.outputs[name])
        return pa.table(columns)


def collected(parts: Sequence[Mapping[str, npt.NDArray[Any]]], ids: Iterable[str] | None) -> Answers:
    """The answers to batches as one; text becomes str."""
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Answers(
        {name: texts(one) if one.dtype == np.object_ else one for name, one in outputs.items()},
        None if ids is None else np.array([*ids, None], np.object_)[:-1],
    )


def texts(array: npt.NDArray[np.object_]) -> Texts:
    """Bytes as str; such as are no UTF-8 keep their bytes as surrogates, see PEP 383."""
    found = np.empty(array.shape, np.object_)
    flat = [one.decode("utf-8", "surrogateescape") for one in array.ravel().tolist()]
    found.ravel()[:] = flat
    return found
