"""torchvision and timm, there or not: an import that fails is told with its remedy."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apcli.errors import ApcliError
from apcli.libraries import library


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that modules are imported from first; torchvision is not yet imported."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    yield tmp_path
    sys.modules.pop("torchvision", None)  # the next one gets what was there before


def test_a_module_is_imported(site):
    (site / "torchvision.py").write_text("")
    (site / "net_library.py").write_text("answer = 42\n")
    assert library("net_library").answer == 42
    sys.modules.pop("net_library")


@pytest.mark.parametrize("name", ["torchvision", "timm"])
def test_a_torchvision_of_another_torch_is_met_with_the_remedy(site, name):
    """timm imports it, and would hide the reason."""
    (site / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist\\nmore')\n")
    with pytest.raises(ApcliError) as caught:
        library(name)
    expected = f"{name} cannot be imported (operator torchvision::nms does not exist): the installed torch and"
    assert str(caught.value).startswith(expected)
    assert "pip install --force-reinstall torch torchvision" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_library_that_is_missing_is_named(site):
    (site / "torchvision.py").write_text("")
    with pytest.raises(ApcliError, match=r"no_such_library cannot be imported \(No module named 'no_such_library'\)"):
        library("no_such_library")
