"""The streams of a run: begun, current until their block ends, and put back in turn."""

import sys
from io import StringIO

import pytest

from apcli.cli.streams import standard
from apcli.cli.streams.standard import Streams


def test_before_a_run_the_streams_are_the_process_s():
    found = standard.current()
    assert (found.stdin, found.stdout, found.stderr) == (sys.stdin, sys.stdout, sys.stderr)


def test_runs_within_runs_are_put_back_in_turn():
    before = (sys.stdin, sys.stdout, sys.stderr)
    outer, inner = (Streams(StringIO(), StringIO(), StringIO()) for _ in range(2))
    with outer:
        assert sys.stdout is before[1], "until it begins"
        standard.begin(outer)
        assert standard.current() is outer
        assert (sys.stdin, sys.stdout, sys.stderr) == (outer.stdin, outer.stdout, outer.stderr)
        with inner:
            standard.begin(inner)
            assert standard.current() is inner
            assert sys.stdout is inner.stdout
        assert standard.current() is outer
        assert sys.stdout is outer.stdout
    assert (sys.stdin, sys.stdout, sys.stderr) == before


def test_an_error_puts_them_back_too():
    def fail():
        with Streams(None, None, None) as streams:
            standard.begin(streams)
            assert standard.current().stderr is None
            raise KeyError

    before = sys.stderr
    with pytest.raises(KeyError):
        fail()
    assert sys.stderr is before
