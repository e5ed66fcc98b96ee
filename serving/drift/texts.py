"""Texts as the model reads them: how many words they have, and how many of these it knows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_TEXTS_AT_ONCE = 2048


@dataclass(frozen=True)
class Words:
    """N texts, counted.

    Attributes:
      counts: [N] words of each.
      unknown: [N] those of them that are not in the vocabulary.
    """

    counts: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.int64]

    @property
    def unknown_share(self) -> float:
        """Share of all words; 0 of none."""
        return float(self.unknown.sum() / max(1, self.counts.sum()))

    @property
    def independent(self) -> float:
        """Independent words that they are worth at least: those of one text may all be alike."""
        squares = float((self.counts.astype(np.float64) ** 2).sum())
        return float(self.counts.sum()) ** 2 / squares if squares else 0.0


def words(texts: Sequence[bytes], vocabulary: bytes, *, generation: bool) -> Words:
    """Counts the words of texts, cut as Transform cuts them.

    Args:
      texts: UTF-8.
      vocabulary: one token a line, as in the file that is an asset of the export.
      generation: whether the model writes text, and keeps blanks and cases.
    """
    import tensorflow as tf

    from components.transform import tokens

    known = pa.array(vocabulary.splitlines(), pa.binary())
    counts, unknown = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part = tf.constant(list(texts[start : start + _TEXTS_AT_ONCE]), tf.string)
        cut = tokens.pieces(part) if generation else tokens.words(part)
        lengths = cut.row_lengths().numpy()
        flat = pa.array(tokens.on_one_line(cut.values).numpy().tolist(), pa.binary())
        strange = ~pc.is_in(flat, value_set=known).to_numpy(zero_copy_only=False)
        counts.append(lengths)
        unknown.append(np.bincount(np.repeat(np.arange(len(lengths)), lengths), strange, len(lengths)))
    return Words(np.concatenate(counts), np.concatenate(unknown).astype(np.int64))
