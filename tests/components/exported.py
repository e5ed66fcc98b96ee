"""Models with drawn weights and their exports, for tests of what is served."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from components.ingest.names import argument_name
from components.trainer.answers import ClassAnswer, NumberAnswer
from components.trainer.beside import Beside
from components.trainer.dataset import Data
from components.trainer.export import ServedModel
from components.trainer.generation import TokenAnswer
from components.trainer.inputs import read_inputs, read_vocabulary
from components.trainer.model import answering, build
from components.trainer.scaling import read_scaling
from components.trainer.series import SeriesAnswer
from components.trainer.target import Target
from pipeline.config import Model
from serving.loader.model import Model as Loaded
from serving.loader.tensors import numpy_kind
from tests.components.conftest import LABEL, ODD, WHOLE, Transformed, raw_example

CONFIG = Model(units=(6,), dropout=0.4, recurrent_dropout=0.1, embedding=4)


class Exported:
    """A model with drawn weights, beside its export as loaded again."""

    def __init__(self, transformed: Transformed, target: Target, folder, **changes: object) -> None:
        self.transformed, self.target = transformed, target
        config = CONFIG.model_copy(update=changes)
        self.inputs = read_inputs(transformed.output, LABEL)
        keras.utils.set_random_seed(3)
        model = build(config, self.inputs, target.head)
        random = np.random.default_rng(1)
        model.set_weights([random.normal(scale=0.5, size=weight.shape) for weight in model.get_weights()])
        self.model = answering(model, config, self.inputs, target.head)
        self.folder, self.expected = Path(folder), Path(f"{folder}.json")
        self.exports = served = ServedModel(self._answer(), transformed.output, self.inputs)
        served.save(str(folder))
        texts = ["note"] if "note" in self.inputs.names else []
        lengths = np.array([max(map(len, row.values())) for row in transformed.sequences])
        Beside(str(folder), served, transformed.output, self.inputs, texts, lengths).write(str(self.expected))
        self.served = Loaded(folder)

    def _answer(self):
        task = self.target.head.task
        if task == "regression":
            return NumberAnswer(self.model)
        if task != "generation":
            return ClassAnswer(self.model, self.target.classes)
        if self.inputs.tokens:
            return TokenAnswer(self.model, read_vocabulary(self.transformed.output, "text"), "characters")
        return SeriesAnswer(
            self.model, self.inputs, read_scaling(self.transformed.output, self.inputs.numbers)
        )

    def trained(self) -> np.ndarray:
        """The answers of the trainer's model to what Transform wrote."""
        label = None if self.target.head.task == "generation" else LABEL
        data = Data([self.transformed.files], self.transformed.output, self.inputs, self.target, label, 64)
        batches = data.part(None).in_order()
        return np.concatenate(
            [self.model(inputs, training=False)[weight > 0] for inputs, _, weight in batches]
        )

    def ask(self, rows: list[dict], signature: str = "serving_default") -> dict[str, np.ndarray]:
        rows = [{name: row[name] for name in self.inputs.names} for row in rows]
        return self.call(signature, examples=[raw_example(row) for row in rows])

    def call(self, signature: str, **inputs: object) -> dict[str, np.ndarray]:
        """The answer of TensorFlow Serving's loader."""
        wanted = self.served.signatures[signature].inputs
        arrays = {name: np.asarray(one, numpy_kind(wanted[name].kind)) for name, one in inputs.items()}
        return self.served.run(signature, arrays)

    def ask_tensors(self, rows: list[dict], fill: float, extra: int = 2) -> dict[str, np.ndarray]:
        lengths = [len(row[self.inputs.names[0]]) for row in rows]
        tensors = self.tensors(rows, fill, max(lengths, default=0) + extra)
        return self.call("sequences", lengths=lengths, **tensors)

    def tensors(self, rows: list[dict], fill: float, width: int) -> dict[str, np.ndarray]:
        """Per feature the rows as one tensor; behind each row any value."""
        kinds = self.transformed.output.raw_feature_spec()
        tensors = {}
        for name in self.inputs.names:
            kind = kinds[name].dtype
            filler = {tf.string: "any", tf.int64: 7}.get(kind, fill)
            padded = [list(row[name]) + [filler] * (width - len(row[name])) for row in rows]
            tensors[argument_name(name)] = np.array(padded, kind.as_numpy_dtype).reshape(len(rows), width)
        return tensors

    def draw(self, length: int, random: np.random.Generator) -> dict[str, list]:
        """A sequence of new values for the features."""
        drawn = {
            "a": random.normal(50, 30, length).tolist(),
            WHOLE: (2**40 + random.integers(-5, 20, length)).tolist(),
            ODD: [0.1] * length,
            "x": random.normal(3, 4, length).tolist(),
            "note": [" ".join(random.choice(["good", "BAD!", "Ünder", "new"], 3)) for _ in range(length)],
            "colour": random.choice(["red", "green", "blue", ""], length).tolist(),
            "text": random.choice(list("theca \\z"), length).tolist(),
        }
        return {name: drawn[name] for name in self.inputs.names}
