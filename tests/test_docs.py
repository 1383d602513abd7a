"""The README and docs/: every command in them runs, or a mark says why not and it is tried.

Before each fenced ``sh`` or ``python`` block stands one mark:

- ``<!-- test -->``: it runs, in a folder of its own. A ``text`` block after it, marked ``<!-- output -->``, is
  all that it prints on stdout.
- ``<!-- test after: COMMAND -->``: the same, after that command.
- ``<!-- test: reads a file -->``: ``test_docs_format.py`` runs it.
- ``<!-- not run: REASON -->``: a download, hours of compute, another machine. ``test_docs_tried.py`` tries its
  commands.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import BLOCKS, CODE, COMMANDS, PAGES, ROOT, RUN, SHELL, Block, name_of, words_of

README_BYTES = 6 * 1024
FOREIGN_OPTIONS = {  # of other programs
    *("--nproc-per-node", "--extra-index-url", "--config", "--resources", "--unlock", "--hypothesis-profile")
}
OF_THE_SYSTEM = {"tee", ":"}
PROGRAMS = {"pip", "uv", "uvx", "source", "git", "snakemake"}  # taken as they are: such blocks are not run


def test_fences_and_marks_are_all_found() -> None:
    """A fence without a language, or a mark that no block follows, would be passed over."""
    for page in PAGES:
        text = page.read_text()
        blocks = [block for block in BLOCKS if block.page == page]
        outputs = [block for block in blocks if block.output is not None]
        assert text.count("```") == 2 * (len(blocks) + len(outputs)), page
        marks = [block for block in blocks if block.mark]
        assert len(re.findall(r"<!-- (?:test|not run|output)", text)) == len(marks) + len(outputs), page
        assert {block.language for block in blocks} <= {"sh", "python", "text", "json", "yaml"}, page


@pytest.mark.parametrize("block", CODE, ids=name_of)
def test_every_command_is_marked(block: Block) -> None:
    assert block.mark, f"{block.name}: write <!-- test --> or <!-- not run: REASON --> before the block"


def test_most_of_the_pages_run() -> None:
    pages = {block.page.stem for block in RUN}
    assert pages >= {"README", "pruning", "training", "divergence", "report", "python"}


def test_words_are_found() -> None:
    text = "apcli train a \\\n  | apcli prune - > 'b c'  # why\nmake d && apcli report - < e 2> f"
    text += " | tee >(apcli env > g; :)"
    assert list(words_of(text)) == [
        ["apcli", "train", "a"],
        ["apcli", "prune", "-"],
        ["make", "d"],
        ["apcli", "report", "-"],
        ["tee"],
        ["apcli", "env"],
        [":"],
    ]


@pytest.mark.parametrize("block", SHELL, ids=name_of)
def test_every_command_has_options_that_exist(block: Block) -> None:
    """Commands of apcli are parsed, not run; make's targets and scripts are there."""
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for command in words_of(block.text):
        words = command[command.index("apcli") :] if command[0] == "torchrun" else command
        if words[0] == "apcli":
            name, *options = words[1:]
            assert COMMANDS[name].make_context(name, options).params
        elif words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= set(targets)
        elif words[0] in ("bash", "python"):
            assert (ROOT / words[1]).is_file()
        elif words[0] not in OF_THE_SYSTEM:
            assert words[0] in PROGRAMS
            assert block.mark.startswith("not run: ")


@pytest.mark.parametrize("block", [block for block in CODE if block.language == "python"], ids=name_of)
def test_python_compiles(block: Block) -> None:
    assert compile(block.text, block.name, "exec").co_code


@pytest.mark.long
@pytest.mark.parametrize("block", RUN, ids=name_of)
def test_the_block_runs_and_prints_what_it_says(block: Block, environment: dict[str, str], tmp_path: Path) -> None:
    def run(*words: str) -> str:
        done = subprocess.run(
            words,
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    bash = ("bash", "-e", "-o", "pipefail", "-c")
    _, _, first = block.mark.partition("after: ")
    if first:
        run(*bash, first)
    printed = run(*bash, block.text) if block.language == "sh" else run(sys.executable, "-c", block.text)
    if block.output is not None:
        assert printed.rstrip() == block.output.rstrip()


# ---- what the pages say beside their commands


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= README_BYTES


def without_fences(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    titles = re.findall(r"^#+ (.*)$", without_fences(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", without_fences(page.read_text())):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file) if file else page
        assert there.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(there), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_in_the_text_exist(page: Path) -> None:
    known = {name for command in COMMANDS.values() for p in command.params for name in (*p.opts, *p.secondary_opts)}
    code = " ".join(re.findall(r"`([^`]+)`", without_fences(page.read_text())))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", code))
    own = {"--version", "--help", "--install-completion", "--show-completion"}
    assert named <= known | own | FOREIGN_OPTIONS


def test_make_help_names_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY:(.*)$", text, re.MULTILINE)
    assert targets is not None
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in shown.splitlines() if line.startswith("make ")} == set(targets[1].split())
