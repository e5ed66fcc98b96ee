"""Files that appear when they are complete, also where two attempts write one, or one dies in it.

Beam runners try work again whose worker died or was slow, and the first attempt may still be at it.
"""

import uuid

import tensorflow as tf

_UNFINISHED = "unfinished-"


def unfinished(folder: str) -> str:
    """A path that no other attempt has, for a file that is renamed when it is complete."""
    return f"{folder.rstrip('/')}/{_UNFINISHED}{uuid.uuid4().hex}"


def write(path: str, text: str) -> None:
    """Writes a file, or replaces it."""
    mine = unfinished(path.rpartition("/")[0])
    with tf.io.gfile.GFile(mine, "w") as file:
        file.write(text)
    tf.io.gfile.rename(mine, path, overwrite=True)


def sweep(folder: str) -> None:
    """Removes what attempts that died have left in a folder."""
    for name in tf.io.gfile.listdir(folder):
        if name.startswith(_UNFINISHED):
            tf.io.gfile.remove(f"{folder.rstrip('/')}/{name}")
