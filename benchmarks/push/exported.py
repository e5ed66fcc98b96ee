"""A SavedModel with what a GRU's export has: variables, a vocabulary, a signature that is asked."""

import sys
from pathlib import Path
from typing import Any

WORDS, WIDTH = 5000, 64


def make(folder: str) -> None:
    """Writes the SavedModel; needs TensorFlow, so call it in a process of its own."""
    import tensorflow as tf

    vocabulary = Path(folder).with_suffix(".words")
    vocabulary.write_text("".join(f"word{number}\n" for number in range(WORDS)))

    class Gru(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            draw = tf.random.Generator.from_seed(1).normal
            self.embedding = tf.Variable(draw([WORDS + 1, WIDTH]))
            self.gates, self.candidate = (tf.Variable(draw([2 * WIDTH, size])) for size in (2 * WIDTH, WIDTH))
            self.output = tf.Variable(draw([WIDTH, 1]))
            rows = tf.lookup.TextFileInitializer(
                str(vocabulary), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER,
            )  # fmt: skip
            self.table = tf.lookup.StaticVocabularyTable(rows, 1)

        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.string, name="words")])
        def serving_default(self, words: Any) -> Any:
            steps = tf.transpose(tf.gather(self.embedding, self.table.lookup(words)), [1, 0, 2])
            first = tf.zeros([tf.shape(words)[0], WIDTH])
            state = tf.foldl(self._step, steps, first)
            return {"probability": tf.sigmoid(state @ self.output)}

        def _step(self, state: Any, step: Any) -> Any:
            update, reset = tf.split(tf.sigmoid(tf.concat([step, state], 1) @ self.gates), 2, axis=1)
            new = tf.tanh(tf.concat([step, reset * state], 1) @ self.candidate)
            return update * state + (1 - update) * new

    model = Gru()
    tf.saved_model.save(model, folder, signatures={"serving_default": model.serving_default})
    vocabulary.unlink()


if __name__ == "__main__":
    make(sys.argv[1])
