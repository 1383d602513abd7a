"""The house: imports go down only, tables stay light, and a few habits are kept. Mostly over syntax trees."""

import ast
import functools
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import apcli
from apcli.projections import DISTRIBUTIONS, ELLIPTICAL
from apcli.records import KINDS
from apcli.registry.tables import Row, Table, imported

ROOT = Path(apcli.__file__).parent
TESTS = Path(__file__).parent

# The rooms, lowest first: a folder, or a loose module. A name stands for all that no longer name is found for. A module
# imports from the lines above its own, and from its own room; rooms of one line do not know each other. "tables" are
# the light ``__init__`` modules that hold a table, whatever room they open.
ROOMS = """
errors words progress
registry
devices libraries
published
configs
checkpoints.files
checkpoints
tables
records
theory.measures theory.bounds.total_variation theory.statistics
theory.numerics
theory.distributions theory.limit
theory.bounds theory.covariances theory.sampling theory.closeness theory.widths
theory
data allocations
selection models
probes figures
channels
criteria
training.recipe
training.optim
training
networks
projections
stages.pairs stages.limits stages.outputs stages.trained_names stages.inherited_masks stages.zero_layers
stages.training_runs
stages stages.prune stages.divergence stages.bounds stages.behaviour stages.describe stages.report stages.export
api
cli.layout
cli.options cli.streams cli.texts
cli.results
cli
cli.main
__main__
"""
FLOORS = {room: floor for floor, rooms in enumerate(ROOMS.split("\n")) for room in rooms.split()}
FILES_OF_A_ROOM, LOOSE_MODULES = 12, 8
FAMILIES = ("criteria", "theory/distributions", "figures")  # one function a file: as many as there are
HEAVY = {"torch", "torchvision", "timm", "numpy", "scipy", "matplotlib", "pyro", "rich", "safetensors", "jinja2"}
LIGHT = [
    *[
        "apcli",
        "apcli.api.functions",
        "apcli.api.export",
        "apcli.api.runs",
        "apcli.errors",
        "apcli.records.lines",
        "apcli.records.divergence",
        "apcli.configs",
        "apcli.configs.training",
        "apcli.cli.main",
    ],
    *["apcli.registry.tables", "apcli.checkpoints.lineage", "apcli.checkpoints.tensor_names"],
]
LINES_OF_A_FUNCTION, LINES_OF_A_COMMAND, LINES_OF_A_FILE = 60, 80, 360  # a command's signature is its options


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {module_name(path): ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@functools.cache
def walked(name: str) -> list[ast.AST]:
    """All nodes of a module's tree: many tests look at them."""
    return list(ast.walk(TREES[name]))


@functools.cache
def imports(name: str) -> dict[str, int]:
    """The modules of the package that ``name`` imports, anywhere in it, with a line number."""
    found: dict[str, int] = {}
    for node in walked(name) if name != "apcli" else ():  # its names are imported when asked for
        if isinstance(node, ast.Import):
            found |= {alias.name: node.lineno for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found[inner if inner in TREES else node.module or ""] = node.lineno
    return {target: line for target, line in found.items() if target in TREES}


TABLES = [
    name
    for name, tree in TREES.items()
    if (ROOT.parent / name.replace(".", "/") / "__init__.py").exists()
    and any(isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "Table" for n in ast.walk(tree))
]


def room_of(name: str) -> str:
    """The longest entry of ``ROOMS`` that a module's name begins with."""
    parts = name.split(".")[1:]
    for end in range(len(parts), 0, -1):
        if ".".join(parts[:end]) in FLOORS:
            return ".".join(parts[:end])
    assert not parts, f"{name} is in no room: add it to ROOMS"
    return ""


def floor(name: str) -> int:
    """Where a module stands; the package itself, which all import, is below everything."""
    return FLOORS["tables"] if name in TABLES else FLOORS.get(room_of(name), -1)


def allowed(name: str, target: str) -> bool:
    """Whether ``name`` may import ``target``."""
    if floor(target) == floor(name):
        return target in TABLES or room_of(target) == room_of(name)
    return floor(target) < floor(name)


def nodes(*kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    for name in TREES:
        for node in walked(name):
            if isinstance(node, kinds):
                yield name, node


def tables_of(name: str) -> list[Table]:
    return [value for value in vars(importlib.import_module(name)).values() if isinstance(value, Table)]


def rows_of(name: str) -> list[Row]:
    return [row for table in tables_of(name) for row in table]


def rows() -> Iterator[tuple[str, Table, Row]]:
    for name in TABLES:
        for table in tables_of(name):
            for row in table:
                yield f"{table.kind} {row.name}", table, row


ROWS = list(rows())
DISTRIBUTIONS_ON_SHIFTS = [row for row in DISTRIBUTIONS if "groups" in row.parameters]  # scales are the reductions'


def test_every_room_is_there_and_holds_modules():
    used = {room_of(name) for name in TREES if name not in TABLES} | {"", "tables"}
    assert used == set(FLOORS) | {""}


def test_no_room_is_full():
    """A reader takes in a folder at a glance."""
    folders = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py")} - set(FAMILIES)
    held = {name: [p for p in (ROOT / name).glob("*.py") if not p.stem.startswith("__")] for name in folders}
    assert len(held.pop(".")) <= LOOSE_MODULES
    assert {name: len(files) for name, files in held.items() if len(files) > FILES_OF_A_ROOM} == {}


def test_imports_go_down():
    """No module imports what stands on a higher floor, or in a room beside its own."""
    wrong = [
        f"{name}:{line}: {target}"
        for name in TREES
        for target, line in imports(name).items()
        if not allowed(name, target)
    ]
    assert wrong == []


def test_rows_name_functions_of_their_room_or_below():
    """A row's target is text, and an import nevertheless: of the room whose table it stands in."""
    wrong = [
        f"{table} row {row.name}: {named}"
        for table in TABLES
        for row in rows_of(table)
        for named in row.targets
        if named.startswith("apcli.")
        and room_of(table) != room_of(target := named.partition(":")[0])
        and FLOORS[room_of(target)] >= FLOORS[room_of(table)]
    ]
    assert wrong == []


def components(graph: dict[str, set[str]]) -> list[set[str]]:
    """The strongly connected components (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph[node]:
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            found.append(set(stack[stack.index(node) :]))
            del stack[stack.index(node) :]

    for node in graph:
        if node not in index:
            visit(node)
    return found


def test_components_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"e", "d"}}
    assert sorted(map(sorted, components(graph))) == [["a", "b", "c"], ["d"], ["e"]]


def test_there_is_no_cycle():
    """An import of ``apcli.a.b`` runs ``apcli.a`` too, and a module runs after its own package."""
    graph = {}
    for name in TREES:
        targets = {name, *imports(name)}
        outer = {".".join(parts[:end]) for t in targets for parts in [t.split(".")] for end in range(1, len(parts))}
        graph[name] = (targets | outer) - {name}
    assert [sorted(group) for group in components(graph) if len(group) > 1] == []
    assert not any(name in imports(name) for name in TREES)


def test_only_the_two_doors_import_the_package_late():
    """Python's and the command line's. Elsewhere it would hide a cycle. (Other libraries cost a second each.)"""
    late = [
        f"{name}:{inner.lineno}"
        for name, node in nodes(*FUNCTIONS)
        if not name.startswith(("apcli.cli", "apcli.api", "apcli.__main__"))
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom) and "apcli" in ast.unparse(inner)
    ]
    assert late == []


def test_no_star_import_and_no_bare_except():
    stars = [f"{n}:{i.lineno}" for n, i in nodes(ast.ImportFrom) if any(alias.name == "*" for alias in i.names)]
    bare = [f"{name}:{node.lineno}" for name, node in nodes(ast.ExceptHandler) if node.type is None]
    assert stars == bare == []


def test_no_default_that_can_change():
    def changes(node: ast.expr | None) -> bool:
        named = (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"list", "dict", "set"}
        )
        return named or isinstance(node, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)

    wrong = [
        f"{name}:{node.lineno}"
        for name, node in nodes(*FUNCTIONS, ast.Lambda)
        if any(map(changes, [*node.args.defaults, *node.args.kw_defaults]))
    ]
    assert wrong == []


def test_only_the_command_line_speaks():
    """Elsewhere messages go through ``logging``; nothing but ``streams`` writes to stdout."""
    for name, node in nodes(ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id in {"print", "input", "breakpoint", "exec", "eval"}:
            assert room_of(name) == "cli.streams", f"{name}:{node.lineno}: {node.func.id}"
    for name, node in nodes(ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id == "sys" and node.attr in {"stdin", "stdout", "stderr"}:
            assert room_of(name) == "cli.streams", f"{name}:{node.lineno}: sys.{node.attr}"


# Handlers of any error that run no network on a device: what is too large there is told by its own library.
ON_NO_DEVICE = {
    *["devices.device_of", "models.weights.needs_versions"],
    "training.resume.Resume._saved",
    *["training.resume.Resume.save", "models.build.build", "models.build._build_torchvision"],
    *["models.build._build_timm", "data.images._item", "data.images._pixels"],
    *["data.streaming._Squares.__getitems__", "data.streaming._next"],
    "training.captured.Captured._record",  # what needs less memory follows
}


def test_memory_that_runs_out_is_not_taken_for_another_error():
    """``torch.OutOfMemoryError`` is a RuntimeError: a broad handler stands behind one that lets it through."""
    broad = {"RuntimeError", "Exception", "_MISFITS"}
    found = set()
    for name, tree in TREES.items():
        if not any(ast.unparse(node).startswith(("import torch", "from torch")) for node in tree.body):
            continue
        for where, node in within(tree):
            let_through = False
            for handler in node.handlers if isinstance(node, ast.Try) else []:
                caught = ast.unparse(handler.type) if handler.type else ""
                let_through |= "OutOfMemoryError" in caught
                if broad & set(caught.strip("()").split(", ")) and not let_through:
                    found.add(f"{name.removeprefix('apcli.')}.{where}")
    assert found == ON_NO_DEVICE


def within(tree: ast.AST, where: str = "") -> Iterator[tuple[str, ast.AST]]:
    """All nodes, with the dotted name of the function or class around them."""
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, (*FUNCTIONS, ast.ClassDef))
        inner = f"{where}.{node.name}".lstrip(".") if named else where
        yield inner, node
        yield from within(node, inner)


def test_no_drawer_for_odds_and_ends():
    names = {name.rpartition(".")[2] for name in TREES}
    assert not names & {"utils", "util", "common", "helpers", "misc", "tools"}


def test_importing_does_nothing():
    """At the top of a module stand definitions; a bare call would be an effect."""
    effects = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        for node in tree.body
        if isinstance(node, ast.Expr | ast.For | ast.While | ast.With | ast.Try)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    assert {place.partition(":")[0] for place in effects} <= {"apcli.__main__"}


PICKLING = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}


def test_nothing_is_unpickled_but_with_weights_only():
    """Files come from strangers: ``torch.load`` builds tensors and containers, NumPy reads numbers, and no more."""
    wrong = []
    for name, node in nodes(ast.Import, ast.ImportFrom, ast.Call):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)]
            if PICKLING & {module.partition(".")[0] for module in modules}:
                wrong.append((name, *modules))
            continue
        called, given = ast.unparse(node.func), {one.arg: ast.unparse(one.value) for one in node.keywords}
        if called == "torch.load" and given.get("weights_only") != "True":
            wrong.append((name, called))
        if called.endswith(("read_array", "np.load")) and given.get("allow_pickle") != "False":
            wrong.append((name, called))
        if called in ("eval", "exec", "torch.jit.load", "torch.hub.load", "os.system", "yaml.load"):
            wrong.append((name, called))
    assert wrong == [("apcli.checkpoints.files.pickles", "pickle")]  # for the name of its error


def test_no_function_and_no_file_grows_without_end():
    long = [
        f"{name}:{node.name}, {node.end_lineno - node.lineno + 1} lines"
        for name, node in nodes(*FUNCTIONS)
        if node.end_lineno - node.lineno
        >= (LINES_OF_A_COMMAND if name.startswith("apcli.cli.") else LINES_OF_A_FUNCTION)
    ]
    assert long == []
    assert too_long(ROOT) == {}


def too_long(root: Path) -> dict[str, int]:
    """The files below ``root`` of more lines than a file may have, by their path in it."""
    lines = {str(path.relative_to(root)): len(path.read_text().splitlines()) for path in root.rglob("*.py")}
    return {name: count for name, count in lines.items() if count > LINES_OF_A_FILE}


def test_files_of_one_base_name_are_all_measured(tmp_path):
    for folder, count in (("a", 1), ("b", LINES_OF_A_FILE + 1), ("c", LINES_OF_A_FILE)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.py").write_text("\n" * count)
    assert too_long(tmp_path) == {"b/same.py": LINES_OF_A_FILE + 1}


def test_public_things_say_what_they_are():
    """Modules, classes and functions, but for methods and what is private."""
    silent = [name for name, tree in TREES.items() if len(tree.body) > 2 and not ast.get_docstring(tree)]
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and not node.name.startswith("_"):
                short = isinstance(node, FUNCTIONS) and node.end_lineno - node.lineno < 4
                silent += [] if short or ast.get_docstring(node) else [f"{name}.{node.name}"]
    assert silent == []


def test_the_tables_have_rows():
    assert len(ROWS) > 40
    assert {table.kind for _, table, _ in ROWS} >= {
        *["method", "scope", "distribution", "optimiser", "schedule", "model", "data set", "augmentation"]
    }


def test_every_row_loads_and_says_where_it_is_from():
    for where, table, row in ROWS:
        assert all(callable(imported(target)) for target in row.targets), where
        for text in (row.summary, row.source):
            assert text.strip(), where
            assert "\n" not in text, where
        assert table.parse(row.name).spec == row.name
        assert set(row.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-+"), where


def test_every_parameter_of_a_row_is_one_of_its_function():
    """Of functions: the fields of a kind of record are its own."""
    for where, table, row in ROWS:
        if table is KINDS:
            continue
        parameters = inspect.signature(row.load()).parameters
        own = {*row.parameters, *getattr(row, "shared", ())}  # those of one covariance say nothing of a second one
        own -= set(ELLIPTICAL) if row in DISTRIBUTIONS_ON_SHIFTS else set()
        if row.target.startswith("apcli.") and not row.target.startswith("apcli.models"):
            keywords = {name for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
            assert keywords == own, where
            defaults = {name for name in keywords if parameters[name].default is not inspect.Parameter.empty}
            assert defaults == set(), f"{where}: defaults stand in the row"
        variable = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        assert variable or own <= set(parameters), where
        for name, default in row.parameters.items():
            assert type(default) in (int, float, str), f"{where}: {name}"


def test_light_modules_stay_light():
    """One interpreter imports one after another: the first that loads something heavy is the first named with it."""
    names = [*LIGHT, *TABLES]
    report = f"print(name, *sorted(module for module in {HEAVY!r} if module in sys.modules))"
    code = f"import importlib, sys\nfor name in {names!r}:\n    importlib.import_module(name)\n    {report}"
    words = [sys.executable, "-c", code]
    run = subprocess.run(words, capture_output=True, text=True, cwd=ROOT.parent, timeout=60, check=True)
    assert run.stdout.splitlines() == names


@pytest.mark.slow
def test_all_modules_import_quietly(tmp_path):
    names = [info.name for info in pkgutil.walk_packages([str(ROOT)], "apcli.") if info.name != "apcli.__main__"]
    code = f"import importlib\nfor name in {names!r}:\n    importlib.import_module(name)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, cwd=tmp_path, env=environment)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")
    assert list(tmp_path.iterdir()) == []


# ---- the tests themselves


def called_in(function: ast.AST) -> set[str]:
    """The last names of all that a function calls, and ``assert`` where it asserts."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            found.add("assert")
        elif isinstance(node, ast.Call):
            found.add(node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", ""))
    return found


def test_every_test_asserts():
    """Something in a test can fail: an assert, pytest.raises or warns, or a helper that has one.

    Helpers are a test's own file's, and those of the ``conftest`` files of its folders.
    """
    functions = {
        path: [(f.name, called_in(f)) for f in ast.walk(ast.parse(path.read_text())) if isinstance(f, FUNCTIONS)]
        for path in sorted(TESTS.rglob("*.py"))
    }
    silent, count = [], 0
    for path, own in functions.items():
        near = [*own, *(f for folder in path.parents for f in functions.get(folder / "conftest.py", []))]
        checks = {"assert", "raises", "warns", "fail"}
        checks |= {name for _, called in near for name in called if name.startswith("assert_")}
        for _ in range(3):  # helpers call helpers
            checks |= {name for name, called in near if not name.startswith("test_") and called & checks}
        tests = [(name, called) for name, called in own if name.startswith("test_")]
        count += len(tests)
        silent += [f"{path.relative_to(TESTS)}::{name}" for name, called in tests if not called & checks]
    assert count > 200
    assert silent == []


WHOLE = {"house", "docs", "examples", "changelog", "fuzz"}  # tests of the project itself


def module_of(test: Path) -> Path | None:
    """The module of a test file: ``X.py`` for ``test_X.py`` and ``test_X_more_words.py``, of the longest name there."""
    folder, words = ROOT / test.relative_to(TESTS).parent, test.stem.removeprefix("test_").split("_")
    names = ("_".join(words[:end]) for end in range(len(words), 0, -1))
    return next((folder / f"{name}.py" for name in names if (folder / f"{name}.py").is_file()), None)


def test_tests_mirror_the_house():
    """A test file stands where its module or package does.

    Tests of whole processes stand in ``cli/processes``.
    """
    strange = []
    for path in sorted(TESTS.rglob("test_*.py")):
        folder, stem = path.relative_to(TESTS).parent, path.stem.removeprefix("test_")
        mirrors = module_of(path) is not None or (stem == folder.name and (ROOT / folder).is_dir())
        of_the_project = folder == Path() and stem.split("_")[0] in WHOLE
        if not (mirrors or of_the_project or folder == Path("cli/processes")):
            strange.append(path.relative_to(TESTS).as_posix())
    assert strange == []


def test_every_module_has_tests_of_its_own():
    """A module with a function, or with a class that has methods; a package's own is its tables."""
    tested = {module_of(path) for path in TESTS.rglob("test_*.py")}
    untested = []
    for path in ROOT.rglob("*.py"):
        inner = [node for node in TREES[module_name(path)].body if isinstance(node, (*FUNCTIONS, ast.ClassDef))]
        works = any(isinstance(n, FUNCTIONS) or any(isinstance(m, FUNCTIONS) for m in n.body) for n in inner)
        if works and path.stem != "__init__" and path not in tested:
            untested.append(path.relative_to(ROOT).as_posix())
    assert untested == []
