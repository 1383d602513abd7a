"""The changelog: a version in each heading, newest first, and the kinds of change in one order."""

import re
from pathlib import Path

from apcli import __version__

TEXT = (Path(__file__).parents[1] / "CHANGELOG.md").read_text()
KINDS = ["Added", "Changed", "Fixed", "Numbers changed"]


def test_every_heading_has_a_version_and_the_newest_is_on_top() -> None:
    headings = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    matched = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) \((unreleased|\d{4}-\d{2}-\d{2})\)", heading) for heading in headings]
    assert None not in matched, headings
    versions = [tuple(map(int, match.groups()[:3])) for match in matched if match]
    assert versions == sorted(set(versions), reverse=True)
    newest, is_open = headings[0].split()[0], headings[0].endswith("(unreleased)")
    assert __version__ == (f"{newest}.dev0" if is_open else newest)
    assert [match[4] == "unreleased" for match in matched[1:] if match] == [False] * (len(matched) - 1)


def test_changes_are_sorted_by_kind() -> None:
    for version in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        kinds = re.findall(r"^### (.*)$", version, re.MULTILINE)
        assert kinds == [kind for kind in KINDS if kind in kinds]
