"""Counts of the code itself, for a before and after: ``python examples/benchmarks/house.py [ROOT ...]``.

Prints a Markdown table with one column for each root (default: this project).
"""

import ast
import re
import sys
from collections import Counter
from pathlib import Path

MOST_PARAMETERS = 6


def counts(root: Path) -> dict[str, str]:
    """The counts of one checkout, by what they count."""
    package = root / "apcli"
    trees = {path: ast.parse(path.read_text()) for path in sorted(package.rglob("*.py"))}
    texts = [path.read_text() for path in trees]
    functions = [n for tree in trees.values() for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    rooms = Counter(path.parent for path in trees if not path.stem.startswith("__"))
    loose = rooms.pop(package)
    largest, most = rooms.most_common(1)[0]
    classes = Counter(node.name for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef))
    lines = sorted(text.count("\n") for text in texts)
    long = sorted((f for f in functions if parameters(f) > MOST_PARAMETERS), key=parameters)
    return {
        "Python files": str(len(trees)),
        "lines, median and longest file": f"{sum(lines):,}, {lines[len(lines) // 2]}, {lines[-1]}",
        "loose modules": str(loose),
        "largest room": f"{largest.relative_to(package)} ({most} files)",
        "`dict[str, Any]` and `Mapping[str, Any]`": str(found(r"(?:dict|Mapping)\[str, Any\]", texts)),
        "annotations that are `Any` alone": str(sum(bare_any(f) for f in functions)),
        f"functions of more than {MOST_PARAMETERS} parameters": f"{len(long)} ({', '.join(f.name for f in long)})",
        "classes of one name": ", ".join(sorted(name for name, count in classes.items() if count > 1)) or "none",
        "`or {}`": str(found(r"or \{\}", texts)),
        "README, bytes": f"{(root / 'README.md').stat().st_size:,}",
    }


def found(pattern: str, texts: list[str]) -> int:
    return sum(len(re.findall(pattern, text)) for text in texts)


def parameters(function: ast.FunctionDef) -> int:
    given = function.args
    names = [a.arg for a in [*given.posonlyargs, *given.args, *given.kwonlyargs]]
    return len([name for name in names if name not in ("self", "cls")])


def bare_any(function: ast.FunctionDef) -> int:
    given = function.args
    notes = [a.annotation for a in [*given.posonlyargs, *given.args, *given.kwonlyargs]] + [function.returns]
    return sum(isinstance(note, ast.Name) and note.id == "Any" for note in notes)


def main() -> None:
    roots = [Path(name) for name in sys.argv[1:]] or [Path(__file__).parents[2]]
    columns = [counts(root) for root in roots]
    print(f"| | {' | '.join(root.name or str(root) for root in roots)} |")
    print(f"| --- | {' | '.join('---' for _ in roots)} |")
    for what in columns[0]:
        print(f"| {what} | {' | '.join(column[what] for column in columns)} |")


if __name__ == "__main__":
    main()
