"""``apcli env``."""

import sys
from importlib import metadata
from typing import Any

import pytest

from apcli import __version__
from apcli.cli import environment


def test_versions_devices_threads_and_caches(shell: Any) -> None:
    result = shell("env", APCLI_DATA_DIR="/some/where")
    facts = {line[:16].strip(): line[16:] for line in result.lines}
    assert facts["apcli"] == __version__
    assert facts["torch"] == metadata.version("torch")
    assert {"python", "system", "torchvision", "timm", "numpy", "threads", "data sets"} <= facts.keys()
    assert any(name.startswith("cuda") for name in facts)
    assert "/some/where (not there)" in result.out


def test_a_library_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_LIBRARIES", ("no-such-library",))
    assert ("no-such-library", "not installed") in environment.facts()


def test_torch_that_fails_without_a_word_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def find_spec(self, name: str, path: Any, target: Any = None) -> None:
            if name == "torch":
                raise ImportError

    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(sys, "meta_path", [Failing(), *sys.meta_path])
    assert environment._devices() == [("torch fails", "ImportError")]
