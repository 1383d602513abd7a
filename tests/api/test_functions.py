"""The Python door: it is light, it takes and refuses what the command line does, and its examples run."""

import doctest
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import apcli
from apcli.cli import behaviour, bounds, divergence, export, finetune, prune, report, train
from apcli.configs import keywords

FUNCTIONS = ("train", "prune", "plan", "finetune", "divergence", "bounds", "behaviour", "report", "report_html")
FUNCTIONS += ("describe", "export", "load")
# A command's parameters that a function has under another name, or has no use for.
SAID = {"inputs": "records", "formats": "format"}
OF_THE_COMMAND_LINE = {"context", "verify", "quiet", "as_json", "dry_run", "details"}


@pytest.fixture
def dense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plain file ``dense.safetensors`` in the working folder."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(5)
    weights = {name: draw.standard_normal(shape) for name, shape in {"a.weight": (8, 6), "b.weight": (4, 8)}.items()}
    save_file({name: weight.astype(np.float32) for name, weight in weights.items()}, "dense.safetensors")
    return Path("dense.safetensors")


@pytest.mark.slow
def test_the_examples_run_one_after_another(tmp_path, monkeypatch):
    """Each goes on where the one before it ended, as a reader would."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for function in FUNCTIONS:
        text = inspect.getdoc(getattr(apcli, function))
        example = doctest.DocTestParser().get_doctest(text or "", names, function, None, None)
        assert example.examples, function
        runner = doctest.DocTestRunner(verbose=False)
        said: list[str] = []
        runner.run(example, out=said.append, clear_globs=False)
        assert runner.failures == 0, "".join(said)
        names = example.globs


def test_importing_it_loads_nothing():
    code = "import apcli, sys; print([n for n in sys.modules if n.partition('.')[0] in ('apcli', 'numpy', 'torch')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "['apcli']\n"


def test_it_names_what_it_holds():
    assert set(dir(apcli)) >= {*FUNCTIONS, "Checkpoint", "UsageError", "ApcliError", "VerificationError"}
    assert all(getattr(apcli, name) is not None for name in apcli.__all__)
    assert issubclass(apcli.UsageError, apcli.ApcliError)
    with pytest.raises(AttributeError, match="prunes"):
        _ = apcli.prunes


def keywords_of(function: Callable[..., Any], renamed: dict[str, str]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {renamed.get(p.name, p.name): p.default for p in parameters if p.name not in OF_THE_COMMAND_LINE}


@pytest.mark.parametrize(
    ("command", "functions"),
    [
        (train.train, ["train"]),
        (prune.prune, ["prune"]),
        (prune.prune, ["plan"]),
        (finetune.finetune, ["finetune"]),
        (divergence.divergence, ["divergence"]),
        (bounds.bounds, ["bounds"]),
        (behaviour.behaviour, ["behaviour"]),
        (report.report, ["report", "describe"]),
        (export.export, ["export"]),
    ],
)
def test_commands_and_functions_take_the_same(command, functions):
    given = keywords_of(command, SAID)
    taken = {key: value for name in functions for key, value in keywords_of(getattr(apcli, name), {}).items()}
    for positional in ("model", "checkpoints", "checkpoint", "records"):
        if taken.get(positional) is inspect.Parameter.empty:
            del taken[positional]
            given.pop(positional, None)
    assert taken == given


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        ("train", keywords.TrainKeywords),
        ("prune", keywords.PruneKeywords),
        ("plan", keywords.PruneKeywords),
        ("finetune", keywords.FinetuneKeywords),
        ("divergence", keywords.DivergenceKeywords),
        ("bounds", keywords.BoundsKeywords),
        ("behaviour", keywords.BehaviourKeywords),
        ("describe", keywords.CostsKeywords),
        ("export", keywords.ExportKeywords),
    ],
)
def test_every_keyword_has_a_type(function, kind):
    parameters = inspect.signature(getattr(apcli, function)).parameters
    assert parameters.keys() >= set(kind.__annotations__)
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in parameters.values())


@pytest.mark.parametrize("sparsity", ["0.5,0.75", [0.5, 0.75], (0.5, np.float32(0.75)), iter([0.5, 0.75])])
def test_a_list_is_a_list_or_text(dense, sparsity):
    assert [c.path.name for c in apcli.prune(dense, sparsity=sparsity)] == [
        "dense.lowest-0.5.safetensors",
        "dense.lowest-0.75.safetensors",
    ]


def test_a_plan_makes_nothing(dense):
    [kept] = apcli.prune(dense, sparsity=0.5)
    plans = apcli.plan(dense, sparsity=[0.5, 0.75])
    assert [(plan.path, plan.state, plan.removed) for plan in plans] == [
        ("dense.lowest-0.5.safetensors", "kept", 40),
        ("dense.lowest-0.75.safetensors", "to be written", 60),
    ]
    assert sorted(Path().iterdir()) == [kept.path, dense]


def test_a_checkpoint_is_a_path(dense):
    [pruned] = apcli.prune("dense", sparsity=0.5, scope="global")
    [control] = apcli.prune([dense], method="random-same-layers", like=pruned, seed=1, output=Path("controls/"))
    assert control.path == Path("controls/dense.random-same-layers.lowest-0.5.safetensors")
    zeros = [{name: int((weight == 0).sum()) for name, weight in load_file(c).items()} for c in (pruned, control)]
    assert zeros[0] == zeros[1]
    [one, other] = apcli.prune(dense, layer_sparsity={"a": 0.5}), apcli.prune(dense, layer_sparsity="a=0.5")
    assert one[0].sha256 == other[0].sha256


def test_records_are_those_of_each_pair(dense):
    pruned = apcli.prune(dense, method=["lowest", "highest"], sparsity=0.5)
    records = list(apcli.divergence(pruned, dist=["ap2", "gaussian"], level="network"))
    assert [(r.method, r.dist) for r in records] == [
        (method, dist) for method in ("lowest", "highest") for dist in ("ap2", "gaussian")
    ]
    again = list(apcli.divergence(dense, pruned[0], dist="ap2,gaussian", level="network"))
    assert [r.value for r in again] == [r.value for r in records[:2]]


def test_levels_are_a_list(dense):
    [pruned] = apcli.prune(dense, sparsity=0.5)
    found = list(apcli.divergence(pruned, dist="ap2", level=["filter", "network"]))
    shapes = {name: weight.shape for name, weight in load_file(dense).items() if weight.ndim > 1}
    assert len(found) == sum(shape[0] for shape in shapes.values()) + 1
    assert sum(r.value for r in found[:-1]) == pytest.approx(found[-1].value)
    assert found == list(apcli.divergence(pruned, dist="ap2", level="network,filter"))


def test_a_report_is_files_or_a_page(dense):
    from apcli.records import lines

    found = list(apcli.divergence(dense, apcli.prune(dense, sparsity=0.5), dist="ap2"))
    page = apcli.report_html(found)
    assert page.startswith("<!DOCTYPE html>")
    Path("found.jsonl").write_text("".join(f"{lines.dump(record.to_json())}\n" for record in found))
    assert apcli.report("found.jsonl", format=["md", "csv"], output="here/") == [
        Path("here/report.md"),
        Path("here/report.csv"),
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sparsity": 1.5}, "--sparsity is 1.5: expected the removed share of the weights, in [0, 1)"),
        ({"sparsity": "a half"}, "--sparsity is 'a half': expected numbers separated by commas, as in 0.1,0.3"),
        ({"sparsity": True}, "--sparsity is True: expected a number"),
        ({"sparsity": []}, "--sparsity is an empty list: expected numbers, as in 0.1,0.3"),
        ({}, "the amount to remove is not given"),
        ({"sparsity": 0.5, "method": "lowset"}, "unknown method 'lowset': did you mean 'lowest'?"),
        ({"sparsity": 0.5, "method": []}, "--method is an empty list"),
        ({"sparsity": 0.5, "method": 3}, "--method is 3: expected text"),
        ({"sparsity": 0.5, "seed": 1}, "--seed or --seeds is given but lowest draws nothing"),
        ({"sparsity": 0.5, "method": "random", "seed": 1.5}, "--seed is 1.5: expected a whole number"),
        ({"sparsity": 0.5, "method": "random", "seed": 1, "seeds": [2]}, "--seed and --seeds are both given"),
        ({"sparsity": 0.5, "images": 3.0}, "--images is 3.0: expected a whole number"),
        ({"sparsity": 0.5, "compact": "no"}, "--compact is 'no': expected True or False"),
        ({"sparsity": 0.5, "images": 64}, "--images is given, but this needs no images: leave it out"),
        ({"sparsity": 0.5, "output": "-"}, "--output - is for the command line"),
        ({"sparsity": [0.5, 0.6], "output": "one.safetensors"}, "one file but several checkpoints come out"),
    ],
)
def test_a_wrong_call_is_refused_and_writes_nothing(dense, options, words):
    said = []
    for function in (apcli.prune, apcli.plan):
        with pytest.raises(apcli.UsageError) as error:
            function(dense, **options)
        said.append(str(error.value))
    assert said[0] == said[1]
    assert words in said[0]
    assert "\n" not in said[0]
    assert [path.name for path in Path().iterdir()] == ["dense.safetensors"]


def test_a_keyword_that_there_is_not(dense):
    with pytest.raises(TypeError, match="'sparsities'"):
        apcli.prune(dense, sparsities=[0.5])


@pytest.mark.parametrize("given", [[], [[], []], ["nowhere"], [3], [None]])
def test_no_checkpoint_is_refused(dense, given):
    with pytest.raises(apcli.UsageError):
        apcli.prune(*given, sparsity=0.5)


def test_a_wrong_request_to_measure_is_refused_at_once(dense):
    """Not when the first record is taken."""
    with pytest.raises(apcli.UsageError, match="unknown distribution"):
        apcli.divergence(dense, dense, dist="gausian")
    with pytest.raises(apcli.UsageError, match="twice"):
        apcli.divergence(dense, dense, dist=["ap2", "ap2"])


def test_a_file_that_lost_its_zeros_is_not_described(dense):
    [pruned] = apcli.prune(dense, sparsity=0.5)
    whole = {name: np.ones_like(weight) for name, weight in load_file(pruned).items()}
    save_file(whole, "lost.safetensors", {"apcli": pruned.metadata[pruned.path]["apcli"]})
    assert apcli.describe(pruned).sparsity == 0.5
    with pytest.raises(apcli.VerificationError):
        apcli.describe("lost")


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (apcli.prune, {}),
        (apcli.plan, {"sparsity": 2}),
        (apcli.finetune, {"epochs": -1}),
        (apcli.divergence, {"level": "layers"}),
        (apcli.describe, {"runs": 1}),
        (apcli.export, {}),
    ],
)
def test_a_file_that_is_not_there_is_told_before_any_keyword(
    dense: Path, function: Callable[..., Any], wrong: dict[str, Any]
) -> None:
    with pytest.raises(apcli.UsageError, match=r"no file nowhere \(nor with"):
        function("nowhere", **wrong)
    with pytest.raises(apcli.UsageError) as caught:
        function(dense, **wrong)
    assert "no file" not in str(caught.value)


def test_a_folder_of_records_is_called_a_folder(tmp_path: Path) -> None:
    with pytest.raises(apcli.UsageError, match="is a folder: expected JSON Lines"):
        apcli.report(tmp_path, output=tmp_path / "r.html")
