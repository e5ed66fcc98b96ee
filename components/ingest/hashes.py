"""Hashes that are the same in every process and on every machine."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]


def hash_text(texts: pa.Array) -> Hashes:
    """A hash of each text or binary value: SipHash under a fixed key, [N] uint64."""
    distinct = texts.dictionary_encode()
    hashes: Hashes = pd.util.hash_array(
        distinct.dictionary.to_numpy(zero_copy_only=False).astype(object), categorize=False
    )
    return hashes[distinct.indices.to_numpy()] if len(hashes) else np.zeros(len(texts), np.uint64)
