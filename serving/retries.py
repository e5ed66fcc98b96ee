"""Asks again where that can help, within the time of the call."""

import time
from collections.abc import Callable
from typing import TypeVar

import tenacity

from serving.call_errors import Unavailable

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0

Answer = TypeVar("Answer")


def with_retries(call: Callable[[float], Answer], timeout_s: float, attempts: int) -> Answer:
    """The answer of a call that is tried again while nobody is there.

    The pause before try k + 1 is drawn from 0 to 0.1 s · 2^(k-1), at most 2 s, so that clients which
    lost one server together do not come back together.

    Args:
      call: gets the seconds that are left.
      timeout_s: of all tries and pauses together.
      attempts: tries at most.

    Raises:
      CallError: the last one; any but Unavailable at once.
    """
    end = time.monotonic() + timeout_s
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Unavailable),
        stop=tenacity.stop_after_attempt(attempts) | tenacity.stop_before_delay(timeout_s),
        wait=tenacity.wait_random_exponential(multiplier=_FIRST_PAUSE_S, max=_LONGEST_PAUSE_S),
        reraise=True,
    )
    return retrying(lambda: call(max(0.001, end - time.monotonic())))
