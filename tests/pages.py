"""The fenced blocks of the README and docs/, with their marks, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from apcli.cli.main import app_of

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "tests" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
COMMANDS = typer.main.get_command(app_of()).commands
MARK = re.compile(r"<!-- (test|test after: .+|test: reads a file|not run: .+|output) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, the mark before it, and the output that the page says it has."""

    page: Path
    line: int
    language: str
    mark: str
    text: str
    output: str | None = None

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page but for outputs, which belong to the block before them."""
    lines = page.read_text().splitlines()
    found: list[Block] = []
    for number, line in enumerate(lines):
        opened = re.fullmatch(r"( *)```(\w+)", line)
        if not opened:
            continue
        indent = len(opened[1])
        end = lines.index(f"{opened[1]}```", number)
        text = "\n".join(inner[indent:] for inner in lines[number + 1 : end])
        marked = MARK.fullmatch(lines[number - 1].strip())
        block = Block(page, number + 1, opened[2], marked[1] if marked else "", text)
        if block.mark == "output":
            last = found.pop()
            block = Block(page, last.line, last.language, last.mark, last.text, text)
        found.append(block)
    yield from found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
CODE = [block for block in BLOCKS if block.language in ("sh", "python")]
SHELL = [block for block in CODE if block.language == "sh"]
RUN = [block for block in CODE if block.mark == "test" or block.mark.startswith("test after: ")]


def name_of(block: Block) -> str:
    return block.name


def words_of(text: str) -> Iterator[list[str]]:
    """The commands of a shell script, each a list of words, without redirections and comments."""
    joined = re.sub(r"(?<=\s)\d(?=[<>])", "", text.replace("\\\n", " "))  # the stream's number, as in 2> log
    branches = re.sub(r"[<>]\((.*?)\)", r"; \1;", joined)  # bash's process substitution
    for line in branches.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
        lexer.whitespace_split = True
        command: list[str] = []
        skip = False
        for word in lexer:
            if set(word) <= set("|;&"):
                yield from [command] if command else []
                command = []
            elif set(word) <= set("<>"):
                skip = True
            elif skip:
                skip = False
            else:
                command.append(word)
        if command:
            yield command
