"""What is said to who asks a signature by a method it does not have."""

from serving.held import Held
from serving.loader.errors import INVALID, UNIMPLEMENTED, ServingError

_SAID = {"classify": "classification", "regress": "regression"}


def refuse_method(held: Held, signature: str, method: str) -> None:
    """Always raises: the stand-in answers Predict alone.

    Args:
      held: the version that was asked.
      signature: its name.
      method: `classify` or `regress`.

    Raises:
      ServingError: in TensorFlow Serving's words where the signature has another method.
    """
    if signature not in held.model.signatures:
        raise ServingError(INVALID, f"No signature was found with the name: {signature}")
    expected, found = f"tensorflow/serving/{method}", held.model.signatures[signature].method
    if found != expected:
        raise ServingError(
            INVALID, f"Expected {_SAID[method]} signature method_name to be {expected}. Was: {found}"
        )
    raise ServingError(UNIMPLEMENTED, f"the stand-in does not answer {method}; ask Predict")
