"""PyTorch's contender; the Python of its own environment runs it, see `torch.txt`.

`padded` gives the GRU each batch as long as its longest sequence and takes the answer at the last
step of each; `packed` gives it packed sequences. Both learn what the Keras model learns, with the
same loss, optimizer and clipping. Embedding, GRU and linear layer are PyTorch's own.
"""

import sys
from typing import Any

import torch  # type: ignore[import-not-found]
from torch import nn
from torch.nn.utils import clip_grad_norm_, rnn  # type: ignore[import-not-found]

from benchmarks.training.shapes import (
    BATCH,
    CLIP_NORM,
    EMBEDDING,
    LEARNING_RATE,
    Sequences,
    Shape,
    draw,
)
from benchmarks.training.worker import Epoch, serve


class Network(nn.Module):
    """Embedding where there are tokens, a GRU, a linear layer."""

    def __init__(self, shape: Shape, *, packed: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(shape.tokens, EMBEDDING) if shape.tokens else None
        self.gru = nn.GRU(EMBEDDING if shape.tokens else shape.numbers, shape.units, batch_first=True)
        self.head = nn.Linear(shape.units, shape.size)
        self.every_step = shape.task == "generation"
        self.packed = packed

    def forward(self, steps: Any, lengths: Any) -> Any:
        """[batch, steps, size] for generation, else [batch, size]."""
        hidden = self.embedding(steps) if self.embedding is not None else steps
        if self.packed:
            packed = rnn.pack_padded_sequence(hidden, lengths, batch_first=True, enforce_sorted=False)
            return self.head(self.gru(packed)[1][-1])
        outputs = self.gru(hidden)[0]
        return self.head(outputs if self.every_step else outputs[torch.arange(len(lengths)), lengths - 1])


def make(shape: Shape, variant: str) -> Epoch:
    """What trains an epoch."""
    torch.manual_seed(1)
    sequences = draw(shape)
    inputs, lengths, targets = _tensors(shape, sequences)
    network = Network(shape, packed=variant == "packed")
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    loss_of = _loss(shape)

    def epoch() -> None:
        network.train()
        total = torch.zeros(())
        for rows in torch.randperm(len(inputs)).split(BATCH):
            longest = int(lengths[rows].max())
            optimizer.zero_grad()
            answers = network(inputs[rows, :longest], lengths[rows])
            loss = loss_of(answers, targets[rows])
            loss.backward()
            clip_grad_norm_(network.parameters(), CLIP_NORM)
            optimizer.step()
            total += loss.detach()
        if not torch.isfinite(total):
            raise SystemExit("the loss is no number")

    return epoch


def _tensors(shape: Shape, sequences: Sequences) -> tuple[Any, Any, Any]:
    """Inputs, lengths, and what is learnt of them."""
    steps, lengths = torch.from_numpy(sequences.steps).contiguous(), torch.from_numpy(sequences.lengths)
    if shape.task == "generation":
        tokens = steps.long()
        return tokens[:, :-1], lengths - 1, tokens[:, 1:]
    labels = torch.from_numpy(sequences.labels)
    if shape.task == "multiclass":
        return steps, lengths, labels
    return steps.long() if shape.tokens else steps, lengths, labels.float()[:, None]


def _loss(shape: Shape) -> Any:
    if shape.task == "regression":
        return nn.MSELoss()
    if shape.task == "binary":
        return nn.BCEWithLogitsLoss()
    cross_entropy = nn.CrossEntropyLoss()
    return lambda answers, targets: cross_entropy(answers.flatten(0, -2), targets.flatten())


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    serve(make)
