"""Ctrl-C, and a container's stop, as one KeyboardInterrupt that cannot get lost."""

import signal
import threading
from collections.abc import Callable
from types import FrameType

GRACE_S = 10.0


class Interrupts:
    """While entered, the first SIGINT or SIGTERM raises KeyboardInterrupt in the main thread.

    Libraries swallow that exception now and then, such as in a callback from C++. So `check` raises
    it again, and when the process has not come to an end after a grace period, or at a second
    signal, `give_up` is called.

    Args:
      give_up: ends the process.
      grace_s: seconds between the first signal and `give_up`.
    """

    def __init__(self, give_up: Callable[[], None], grace_s: float = GRACE_S) -> None:
        self._give_up = give_up
        self._timer = threading.Timer(grace_s, give_up)
        self._timer.daemon = True
        self.received = False

    def __enter__(self) -> "Interrupts":
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def check(self) -> None:
        """Raises KeyboardInterrupt if a signal came and was swallowed."""
        if self.received:
            raise KeyboardInterrupt

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.received:
            self._give_up()
            return
        self.received = True
        self._timer.start()
        raise KeyboardInterrupt
