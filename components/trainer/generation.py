"""What a model of the next token answers: how likely a text is, and how it goes on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from components.trainer.answers import Units
from components.trainer.recurrence import Recurrence, States
from components.transform import tokens
from components.transform.tokens import FIRST_TOKEN, of_one_line

# How a prompt becomes raw steps, and what stands between the tokens of an answer.
PROMPTS: dict[str, tuple[Callable[[tf.Tensor], tf.RaggedTensor], str]] = {
    "text": (lambda texts: tf.RaggedTensor.from_tensor(texts[:, tf.newaxis]), ""),  # Transform cuts it
    "characters": (tokens.characters, ""),
    "words": (tokens.pieces, ""),
    "separated": (lambda texts: tf.strings.split(texts), " "),
}
_HOTTEST = 1e6  # temperature from which on all tokens are as likely
JUDGED_TOKENS = 50  # of a continuation that is compared with the text itself

Tensors = dict[str, Any]


class TokenAnswer:
    """Likelihoods of tokens, and continuations.

    Args:
      model: from padded tokens to logits of the next token, [batch, steps, ids].
      vocabulary: tokens as they stand in the vocabulary's file.
      prompt: how a prompt becomes steps, see `PROMPTS`.
    """

    units: ClassVar[Units] = {}

    def __init__(self, model: keras.Model, vocabulary: Sequence[str], prompt: str) -> None:
        self._cut, self.between = PROMPTS[prompt]
        self.model = model
        self._embedding = model.get_layer("embedding_0")
        self._recurrence = Recurrence(model)
        texts = [of_one_line(token) for token in vocabulary]
        self._texts = tf.constant([""] * FIRST_TOKEN + texts)

    def __call__(self, padded: Mapping[str, tf.Tensor]) -> Tensors:
        """Says which token comes next, and how likely those of padded tokens were.

        Returns:
          `label`, the likeliest next token, and `score`, its probability; `log_likelihood`, the sum
          over all tokens but the first of ln p(token), and `tokens`, how many these are. All [batch].
        """
        logits = self._recurrence.answer(self._read(padded))
        probabilities = tf.nn.softmax(logits)
        best = tf.argmax(_spoken(logits), axis=-1)
        found = self._likelihood(padded)
        return {
            "label": tf.gather(self._texts, best),
            "score": tf.gather(probabilities, best, batch_dims=1),
            "log_likelihood": found["log_likelihood"],
            "tokens": found["tokens"],
        }

    def judged(self, padded: Mapping[str, tf.Tensor]) -> Tensors:
        """What the metrics are computed from.

        Returns:
          `log_likelihood` and `tokens` as above; `correct`, how often the likeliest known token was
          the next one; the ids of the end of the first half, `prompt`, of its greedy `continuation`, and
          of what stands there: `reference`, at most 50 tokens each, [batch, tokens] with 0 as padding.
        """
        ids, mask = padded["tokens"][:, :, 0], padded["mask"]
        length = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        half = (length + 1) // 2
        count = tf.minimum(tf.reduce_max(tf.concat([length - half, [0]], axis=0)), JUDGED_TOKENS)
        first = tf.sequence_mask(half, tf.shape(mask)[1])
        continued = self._continue({"tokens": padded["tokens"], "mask": first}, count, 0.0, 0)
        places = half[:, tf.newaxis] + tf.range(count)[tf.newaxis]
        inside = places < length[:, tf.newaxis]
        reference = tf.gather(ids, tf.where(inside, places, 0), batch_dims=1)
        zeros = tf.zeros_like(reference)
        return {
            **self._likelihood(padded),
            "prompt": _last(ids, half, JUDGED_TOKENS),
            "continuation": tf.cast(tf.where(inside, continued, zeros), tf.int64),
            "reference": tf.cast(tf.where(inside, reference, zeros), tf.int64),
        }

    def text(
        self, padded: Mapping[str, tf.Tensor], count: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor
    ) -> Tensors:
        """Continues padded prompts by `count` tokens.

        Each token is drawn from softmax(logits / temperature), or the likeliest one where the
        temperature is 0. The random numbers depend on the seed and the place of the token alone, so a
        prompt is continued in the same way alone and in any batch.

        Returns:
          `text` [batch], the continuation without the prompt.
        """
        ids = self._continue(padded, count, temperature, seed)
        return {"text": tf.strings.reduce_join(tf.gather(self._texts, ids), axis=1, separator=self.between)}

    def steps(self, prompt: tf.Tensor) -> tf.SparseTensor:
        """Prompts [batch] as raw steps of the feature, sparse [batch, steps]."""
        return self._cut(prompt).to_sparse()

    def _likelihood(self, padded: Mapping[str, tf.Tensor]) -> Tensors:
        ids, mask = padded["tokens"][:, 1:, 0], padded["mask"][:, 1:]
        logits = self.model({name: one[:, :-1] for name, one in padded.items()}, training=False)
        found = -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids, logits=logits)
        hits = tf.logical_and(tf.argmax(_spoken(logits), axis=-1, output_type=tf.int32) == ids, mask)
        return {
            "log_likelihood": tf.reduce_sum(tf.where(mask, found, tf.zeros_like(found)), axis=1),
            "tokens": tf.reduce_sum(tf.cast(mask, tf.int64), axis=1),
            "correct": tf.reduce_sum(tf.cast(hits, tf.int64), axis=1),
        }

    def _read(self, padded: Mapping[str, tf.Tensor]) -> States:
        return self._recurrence.read(self._embedding(padded["tokens"][:, :, 0]), padded["mask"])

    def _continue(
        self, padded: Mapping[str, tf.Tensor], count: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor
    ) -> tf.Tensor:
        """Ids of the next `count` tokens, [batch, count] int32."""
        states = self._read(padded)
        count = tf.maximum(count, 0)
        seed = tf.cast(seed, tf.int32)
        taken = tf.maximum(count, 1)  # an array of no step cannot be stacked in a graph
        ids = tf.TensorArray(tf.int32, size=taken, element_shape=[None])

        def step(at: tf.Tensor, states: Any, ids: tf.TensorArray) -> Any:
            random = tf.random.stateless_uniform([], tf.stack([seed, at]))
            token = _drawn(_spoken(self._recurrence.answer(states)), temperature, random)
            return at + 1, self._recurrence.advance(self._embedding(token), states), ids.write(at, token)

        _, _, ids = tf.while_loop(lambda at, *_: at < taken, step, (tf.constant(0), states, ids))
        return tf.transpose(ids.stack())[:, :count]


def _last(ids: tf.Tensor, lengths: tf.Tensor, most: int) -> tf.Tensor:
    """The last of the first `lengths` ids of each row, at most so many, [batch, tokens] int64."""
    width = tf.minimum(tf.reduce_max(tf.concat([lengths, [0]], axis=0)), most)
    places = tf.maximum(lengths - most, 0)[:, tf.newaxis] + tf.range(width)[tf.newaxis]
    inside = places < lengths[:, tf.newaxis]
    found = tf.gather(ids, tf.where(inside, places, 0), batch_dims=1)
    return tf.cast(tf.where(inside, found, tf.zeros_like(found)), tf.int64)


def _spoken(logits: tf.Tensor) -> tf.Tensor:
    """Logits without padding and unknown, which no text can be made of."""
    silent = tf.fill(tf.concat([tf.shape(logits)[:-1], [FIRST_TOKEN]], axis=0), -float("inf"))
    return tf.concat([silent, logits[..., FIRST_TOKEN:]], axis=-1)


def _drawn(logits: tf.Tensor, temperature: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
    """One id a row, [batch] int32: the first at which the distribution function exceeds `random`."""
    temperature = tf.minimum(tf.cast(temperature, tf.float32), _HOTTEST)
    best = tf.argmax(logits, axis=-1, output_type=tf.int32)
    warm = tf.nn.softmax(logits / tf.maximum(temperature, 1e-6))
    below = tf.cumsum(warm, axis=-1) <= random
    drawn = tf.reduce_sum(tf.cast(below, tf.int32), axis=-1)
    # Rounding may leave the function below 1 at its end: then the likeliest one.
    drawn = tf.where(drawn < tf.shape(logits)[1], drawn, best)
    return tf.where(temperature > 0, drawn, best)
