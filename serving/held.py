"""A loaded version, which is let go only when nobody asks it any more."""

import threading

from serving.loader.model import Model


class Held:
    """Counts who asks a model; `with held:` is one of them.

    Args:
      version: its number.
      model: closed by `retire`.
    """

    def __init__(self, version: int, model: Model) -> None:
        self.version, self.model = version, model
        self._asking = 0
        self._idle = threading.Condition()

    def __enter__(self) -> "Held":
        with self._idle:
            self._asking += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._idle:
            self._asking -= 1
            self._idle.notify_all()

    def retire(self) -> None:
        """Waits for those who still ask and frees the model; nobody may begin to ask any more."""
        with self._idle:
            self._idle.wait_for(lambda: not self._asking)
        self.model.close()
