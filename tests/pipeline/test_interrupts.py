"""An interrupt reaches its end, also through code that swallows it."""

import contextlib
import os
import signal
import threading
import time

import pytest

from pipeline.interrupts import Interrupts


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_keyboard_interrupt_and_can_be_asked_for_again(sent):
    with Interrupts(give_up=lambda: None) as interrupts:
        interrupts.check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), sent)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()


def test_after_the_grace_period_it_gives_up():
    gave_up = threading.Event()
    with Interrupts(gave_up.set, grace_s=0.05), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    with Interrupts(gave_up.set, grace_s=0.05):
        with contextlib.suppress(KeyboardInterrupt):  # what a library does
            os.kill(os.getpid(), signal.SIGINT)
        assert gave_up.wait(timeout=5)


def test_a_second_signal_gives_up_at_once():
    times = []
    with Interrupts(lambda: times.append(1), grace_s=60):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert times == [1]


def test_afterwards_the_signals_mean_what_they_did():
    with Interrupts(give_up=lambda: None):
        pass
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
