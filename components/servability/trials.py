"""What an export is asked before it is pushed, and what it must answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.servability.compare import Answers, Units, differences, not_finite, rows_of
from components.servability.process import Answer, Inputs
from serving.loader.errors import INVALID

ANSWERS, BATCHES, WRONG, WARMUP, FINITE, TIMED = (
    "answers",
    "batches",
    "wrong-requests",
    "warm-up",
    "finite",
    "",
)
_SIGNATURES = ("serving_default", "sequences")
_EXTRA_STEPS = 3
_ALONE = 10  # sequences asked one by one
_MANY, _MOST_STEPS = 128, 50_000  # sequences asked at once, and steps where they are long
_WORDS = {
    "serving_default": "serialized tf.Examples",
    "sequences": "tensors",
}

Judge = Callable[[Answer], str | None]


@dataclass(frozen=True)
class Expected:
    """What the trainer answered: arrays [N, …], and the unit of each; see `compare`."""

    answers: Answers
    units: Units

    def rows(self, rows: npt.NDArray[Any]) -> "Expected":
        """The answers to some of the sequences."""
        return Expected(rows_of(self.answers, rows), self.units)


@dataclass(frozen=True)
class Trial:
    """One request and what its answer must be.

    Attributes:
      check: that it belongs to; `TIMED` where only its time matters.
      signature: that is asked.
      inputs: an array for each input.
      judge: from the answer to what is wrong with it, or None.
    """

    check: str
    signature: str
    inputs: Inputs
    judge: Judge


def trials(
    stored: Mapping[str, Inputs], expected: Expected, warmup: Sequence[tuple[str, Inputs]]
) -> list[Trial]:
    """Everything that is asked, in this order, of one process.

    Args:
      stored: by signature the stored requests, N sequences each.
      expected: the trainer's answers to them.
      warmup: signature and inputs of the warm-up requests.
    """
    return [
        *(Trial(WARMUP, name, inputs, _answered("a warm-up request")) for name, inputs in warmup),
        *_whole(stored, expected),
        *_other_batches(stored, expected),
        *_wrong(stored, expected),
        *_generated(stored),
    ]


def timed(stored: Mapping[str, Inputs], count: int) -> list[Trial]:
    """One sequence as tensors, `count` times."""
    alone = _taken(stored["sequences"], np.array([_typical(stored)]))
    return [Trial(TIMED, "sequences", alone, _answered("a request"))] * count


def _whole(stored: Mapping[str, Inputs], expected: Expected) -> Iterator[Trial]:
    for name in _SIGNATURES:
        what = f"all stored requests at once, as {_WORDS[name]}"
        yield Trial(ANSWERS, name, stored[name], _equals(expected, what))
        yield Trial(FINITE, name, stored[name], _finite(what))


def _other_batches(stored: Mapping[str, Inputs], expected: Expected) -> Iterator[Trial]:
    tensors = stored["sequences"]
    longest_first = np.argsort(-tensors["lengths"], kind="stable")  # so that the first element is no padding
    for first, filler in (
        (False, "zeros"),
        (True, "the first element, as TensorFlow Serving's batching may do"),
    ):
        padded = _padded(_taken(tensors, longest_first), first=first)
        what = f"the same sequences padded with {filler}"
        yield Trial(BATCHES, "sequences", padded, _equals(expected.rows(longest_first), what))
    count, steps = len(tensors["lengths"]), next(one for name, one in tensors.items() if name != "lengths")
    order = np.random.default_rng(0).permutation(count)
    many = np.arange(max(count, min(_MANY, _MOST_STEPS // steps.shape[1]))) % count
    for name in _SIGNATURES:
        what = f"{len(many)} sequences at once, as {_WORDS[name]}"
        yield Trial(BATCHES, name, _taken(stored[name], many), _equals(expected.rows(many), what))
        permuted = expected.rows(order)
        yield Trial(
            BATCHES,
            name,
            _taken(stored[name], order),
            _equals(permuted, f"a permuted batch of {_WORDS[name]}"),
        )
        for row in range(min(_ALONE, count)):
            alone = np.array([row])
            what = f"a sequence of {int(tensors['lengths'][row])} steps alone, as {_WORDS[name]}"
            yield Trial(BATCHES, name, _taken(stored[name], alone), _equals(expected.rows(alone), what))
        nothing = np.zeros(0, np.int64)
        yield Trial(
            BATCHES,
            name,
            _taken(stored[name], nothing),
            _equals(expected.rows(nothing), "an empty batch"),
        )


def _wrong(stored: Mapping[str, Inputs], expected: Expected) -> Iterator[Trial]:
    """Requests that must fail, each followed by one that must not."""
    tensors = stored["sequences"]
    feature = next(name for name in tensors if name != "lengths")
    steps = tensors[feature]
    other = np.zeros(steps.shape, np.float64) if steps.dtype == np.object_ else steps.astype("S")
    cases: tuple[tuple[str, str, Inputs], ...] = (
        ("examples of a wrong type", "serving_default", {"examples": np.zeros(2, np.int64)}),
        (
            "examples of a wrong rank",
            "serving_default",
            {"examples": stored["serving_default"]["examples"][:, np.newaxis]},
        ),
        ("no examples", "serving_default", {}),
        (
            "bytes that are no tf.Example",
            "serving_default",
            {"examples": np.array([b"\xff\xff"], np.object_)},
        ),
        (f"{feature} of a wrong type", "sequences", {**tensors, feature: other}),
        (f"{feature} of a wrong rank", "sequences", {**tensors, feature: steps[:, 0]}),
        (f"no {feature}", "sequences", {name: one for name, one in tensors.items() if name != feature}),
    )
    alone = np.array([_typical(stored)])
    for what, name, inputs in cases:
        yield Trial(WRONG, name, inputs, _refused(what))
        after = _equals(expected.rows(alone), f"the request after one with {what}")
        yield Trial(WRONG, "sequences", _taken(tensors, alone), after)


def _generated(stored: Mapping[str, Inputs]) -> Iterator[Trial]:
    """The same continuation again, and for one sequence alone."""
    if (asked := stored.get("generate")) is None:
        return
    first: list[Answers] = []

    def keep(answer: Answer) -> str | None:
        first.append(answer.outputs)
        return _answered("a request to generate")(answer)

    yield Trial(BATCHES, "generate", asked, keep)
    yield Trial(FINITE, "generate", asked, _finite("a request to generate"))
    yield Trial(BATCHES, "generate", asked, lambda answer: _same(answer, first[0], "the same request again"))
    row = np.array([_typical(stored)])
    yield Trial(
        BATCHES, "generate", _taken(asked, row),
        lambda answer: _same(answer, rows_of(first[0], row), "one sequence of it alone"),
    )  # fmt: skip


def _same(answer: Answer, expected: Answers, what: str) -> str | None:
    if wrong := _answered(what)(answer):
        return wrong
    other = differences(answer.outputs, expected, texts=True)
    return f"{what}: {other}" if other else None


def _answered(what: str) -> Judge:
    return lambda answer: answer.error and f"{what} failed: {_short(answer.error)}"


def _equals(expected: Expected, what: str) -> Judge:
    def judge(answer: Answer) -> str | None:
        if answer.error:
            return f"{what}: failed with {_short(answer.error)}"
        wrong = differences(answer.outputs, expected.answers, expected.units)
        return f"{what}: {wrong}" if wrong else None

    return judge


def _finite(what: str) -> Judge:
    def judge(answer: Answer) -> str | None:
        found = not_finite(answer.outputs)
        return f"{what}: {', '.join(found)} hold values that are no finite numbers" if found else None

    return judge


def _refused(what: str) -> Judge:
    def judge(answer: Answer) -> str | None:
        if not answer.error:
            return f"a request with {what} was answered, and must be an error"
        if answer.code != INVALID:
            codes = f"code {answer.code} instead of {INVALID}"
            return f"a request with {what} failed with {codes}: {_short(answer.error)}"
        return None

    return judge


def _short(error: str) -> str:
    return error.splitlines()[0]


def _typical(stored: Mapping[str, Inputs]) -> int:
    """A row of the most frequent length."""
    lengths = stored["sequences"]["lengths"]
    values, counts = np.unique(lengths, return_counts=True)
    return int(np.flatnonzero(lengths == values[counts.argmax()])[0])


def _taken(inputs: Inputs, rows: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Some rows of a request; what has no batch stays as it is."""
    return {name: one[rows] if one.ndim else one for name, one in inputs.items()}


def _padded(tensors: Inputs, *, first: bool) -> dict[str, npt.NDArray[Any]]:
    """Three steps wider, and whatever lies behind a length is zero or the tensor's first element."""
    found: dict[str, npt.NDArray[Any]] = {"lengths": tensors["lengths"]}
    for name, one in tensors.items():
        if name != "lengths":
            filler = one[0, 0] if first else b"" if one.dtype == np.object_ else 0
            wide = np.full((one.shape[0], one.shape[1] + _EXTRA_STEPS), filler, one.dtype)
            inside = np.arange(one.shape[1]) < tensors["lengths"][:, np.newaxis]
            wide[:, : one.shape[1]][inside] = one[inside]
            found[name] = wide
    return found
