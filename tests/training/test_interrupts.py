"""Signals that are held back: the first until the end, the second not at all."""

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from apcli.training.interrupts import held_back

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop(BaseException):
    """What the handler from before makes of a signal."""


def stop(signum: int, frame: Any) -> None:
    raise Stop(signum)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = [signal.signal(signum, stop) for signum in SIGNALS]
    yield
    for signum, handler in zip(SIGNALS, before, strict=True):
        signal.signal(signum, handler)


def restored() -> bool:
    return all(signal.getsignal(signum) is stop for signum in SIGNALS)


@pytest.mark.parametrize("sent", SIGNALS)
def test_the_first_is_noted_and_comes_at_the_end(sent):
    done = []
    with pytest.raises(Stop) as caught:  # noqa: PT012
        with held_back() as interrupts:
            assert interrupts.received is None
            signal.raise_signal(sent)
            assert interrupts.received == sent
            done.append("the rest")
        done.append("what comes after")
    assert caught.value.args == (sent,)
    assert done == ["the rest"]
    assert restored()


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_the_second_comes_at_once(first, second):
    done = []
    with pytest.raises(Stop), held_back():  # noqa: PT012
        signal.raise_signal(first)
        done.append("between")
        signal.raise_signal(second)
        done.append("after")
    assert done == ["between"]
    assert restored()


def test_without_a_signal_nothing_changes():
    with held_back() as interrupts:
        assert not restored()
    assert interrupts.received is None
    assert restored()


def test_an_error_passes_and_a_signal_goes_before_it():
    with pytest.raises(KeyError), held_back():
        raise KeyError
    assert restored()
    with pytest.raises(Stop), held_back():  # noqa: PT012
        signal.raise_signal(signal.SIGTERM)
        raise KeyError
    assert restored()


def test_what_a_process_ignores_stays_ignored():
    """As ``nohup`` and a shell's ``&`` ask for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with held_back() as interrupts:
        signal.raise_signal(signal.SIGINT)
    assert interrupts.received is None
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_another_thread_has_nothing_to_hold_back():
    found = []

    def run() -> None:
        with held_back() as interrupts:
            found.append((interrupts.received, restored()))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [(None, True)]
