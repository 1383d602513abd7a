"""What the shell completes."""

from pathlib import Path
from typing import Any

import pytest

from apcli.cli.options import completion
from apcli.criteria import FILTER_METHODS, METHODS
from apcli.models import sources


def words(completed: list[tuple[str, str]]) -> list[str]:
    return [word for word, _ in completed]


def test_names_are_completed_with_what_they_are() -> None:
    complete = completion.of_tables(METHODS)
    assert complete("low") == [("lowest", METHODS.row("lowest").summary)]
    assert words(complete("")) == METHODS.names
    assert complete("no such") == []


def test_the_last_member_of_a_list_is_completed() -> None:
    assert words(completion.of_tables(METHODS)("lowest,hi")) == ["lowest,highest"]


def test_a_name_of_two_tables_is_given_once() -> None:
    assert words(completion.of_tables(METHODS, FILTER_METHODS)("highest")) == ["highest"]


def test_folders_of_images_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pets" / "train").mkdir(parents=True)
    (tmp_path / "people.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    assert words(completion.of_data("cifar")) == ["cifar10", "cifar100"]
    assert words(completion.of_data("fo")) == ["food101", "folder:"]
    assert words(completion.of_data("folder:p")) == ["folder:pets"]
    assert words(completion.of_data("folder:pets/")) == ["folder:pets/train"]
    assert words(completion.of_data("folder:nowhere/")) == []


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The libraries that were listed; each takes seconds, here none."""
    asked: list[str] = []

    def known(source: str) -> list[str]:
        asked.append(source)
        return {"torchvision": ["resnet18"], "timm": ["resnet18", "vit_tiny"]}[source]

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sources, "known", known)
    return asked


def test_models_of_libraries_are_listed_once(listed: list[str], tmp_path: Path) -> None:
    assert words(completion.of_models("timm:vit")) == ["timm:vit_tiny"]
    assert words(completion.of_models("timm:vit")) == ["timm:vit_tiny"]
    assert listed == ["torchvision", "timm"]
    (cached,) = (tmp_path / "apcli").iterdir()
    assert cached.read_text().splitlines() == ["torchvision:resnet18", "timm:resnet18", "timm:vit_tiny"]
    assert "timm-" in cached.name


def test_another_version_of_a_library_is_listed_anew(listed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    completion.library_models()
    monkeypatch.setattr("importlib.metadata.version", lambda library: "99.0")
    completion.library_models()
    assert listed == ["torchvision", "timm"] * 2


def test_a_library_that_fails_leaves_our_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sources, "known", lambda source: 1 / 0)
    assert words(completion.of_models("resnet2")) == ["resnet20"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("apcli prune --method low", {"lowest"}),
        ("apcli prune --method lowest,hi", {"lowest,highest"}),
        ("apcli prune --scope gl", {"global"}),
        ("apcli divergence --dist st", {"student-t"}),
        ("apcli train resnet2", {"resnet20"}),
        ("apcli train --opt adamw", {"adamw"}),
        ("apcli list me", {"methods", "measures"}),
        ("apcli fine", {"finetune"}),
        ("apcli prune", {"prune"}),
    ],
)
def test_bash_is_answered(shell: Any, line: str, expected: set[str]) -> None:
    home = shell.folder / "cache"
    (home / "apcli").mkdir(parents=True)
    completion_cache = {"XDG_CACHE_HOME": str(home)}
    words_before = line.count(" ")
    result = shell.bash(
        "apcli", COMP_WORDS=line, COMP_CWORD=str(words_before), _APCLI_COMPLETE="complete_bash", **completion_cache
    )
    assert expected <= set(result.lines), result


@pytest.mark.slow
@pytest.mark.parametrize(("line", "expected"), [("apcli export --format on", "onnx"), ("apcli l", "list")])
def test_zsh_and_fish_are_answered(shell: Any, line: str, expected: str) -> None:
    asked = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    for kind in ("zsh", "fish"):
        assert expected in shell.bash("apcli", **asked, _APCLI_COMPLETE=f"complete_{kind}").out
