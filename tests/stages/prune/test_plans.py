"""Plans: the layers that take part, the other files that are looked at, and the names of what is made."""

from pathlib import Path
from typing import Any

import pytest
import torch
from prunings import SHAPES, run, three_layers
from safetensors.torch import load_file, save_file

from apcli.checkpoints.lineage import PENDING
from apcli.checkpoints.promises import Settings
from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.errors import ApcliError, UsageError
from apcli.stages.outputs import Outputs
from apcli.stages.prune.plans import Plan, lineage_of, plans_of, task_of, tasks_of


def plans(source: Path, *sparsity: float, outputs: Outputs | None = None, **options: Any) -> list[Plan]:
    return plans_of(task_of(read(source), PruneConfig(sparsity, **options)), outputs or Outputs())


def names(source: Path, *sparsity: float, **options: Any) -> list[str]:
    return [plan.path.name.removesuffix(".safetensors") for plan in plans(source, *sparsity, **options)]


def test_a_grid_is_all_its_products_in_order(source):
    found = names(source, 0.1, 0.5, method="lowest,random", seeds=(1, 2))
    random = [f"net.random-{s}.seed{seed}" for s in ("0.1", "0.5") for seed in (1, 2)]
    assert found == ["net.lowest-0.1", "net.lowest-0.5", *random]


@pytest.mark.parametrize(
    ("sparsity", "options", "name"),
    [
        ((1e-7,), {}, "lowest-0.0000001"),
        ((), {"compression": (2.0,)}, "lowest-2x"),
        ((), {"layer_sparsity": (("fc1", 0.5),)}, "lowest-by-layer"),
        ((), {"structure": "2:4", "method": "lamp"}, "lamp-2of4"),
        ((0.5,), {"method": "random", "seeds": (3,)}, "random-0.5"),
        ((0.5,), {"storage": "bitmask"}, "lowest-0.5.bitmask"),
        ((0.5,), {"structure": "filter", "compact": True}, "l1-0.5-filter.compact"),
        ((0.5,), {"scope": "global"}, "lowest-0.5"),  # a command's only scope
        ((0.5,), {"method": "lamp:scope=global"}, "lamp-global-0.5"),
        ((0.5,), {"layers": "fc1"}, "lowest-0.5-fc1"),
        ((0.5,), {"layers": "fc1,fc2", "exclude": "fc2"}, "lowest-0.5-fc1+fc2-not-fc2"),
        ((0.5,), {"layers": "fc*"}, "lowest-0.5-fc~26709f32"),
        ((0.5,), {"layers": ",".join(["fc1"] * 20)}, f"lowest-0.5-{'+'.join(['fc1'] * 10)}+~2b72d3a4"),
    ],
)
def test_the_name_says_method_amount_structure_and_storage(source, sparsity, options, name):
    assert names(source, *sparsity, **options) == [f"net.{name}"]


def test_scopes_of_one_command_have_names_of_their_own(source):
    assert names(source, 0.5, method="lowest,lamp:scope=erk", scope="layer,global") == [
        "net.lowest-0.5", "net.lowest-global-0.5", "net.lamp-erk-0.5"
    ]  # fmt: skip


def test_each_layer_alone_is_what_naming_it_makes(source):
    config = PruneConfig((0.5,), layers="each", exclude="fc2")
    found = [plan for task in tasks_of(read(source), config) for plan in plans_of(task, Outputs())]
    named = [plan for layer in ("conv", "fc1") for plan in plans(source, 0.5, layers=layer)]
    assert [plan.path.stem for plan in found] == ["net.lowest-0.5-conv", "net.lowest-0.5-fc1"]
    assert [(plan.path, plan.settings, plan.amounts.known) for plan in found] == [
        (plan.path, plan.settings, plan.amounts.known) for plan in named
    ]


def test_a_control_goes_with_the_file_that_it_was_made_from(source, tmp_path):
    """Files of other networks are no one's counterparts: then each goes with every one, as a single control does."""
    other = three_layers(tmp_path / "other.safetensors", seed=1)
    made = [next(iter(run(path, 0.5, folder=tmp_path / "made"))) for path in (source, other)]
    both = ",".join(map(str, made))
    assert names(source, like=both) == ["net.random-same-layers.lowest-0.5"]
    assert names(other, like=both) == ["other.random-same-layers.lowest-0.5"]
    assert names(source, mask_from=both) == ["net.mask.lowest-0.5"]
    third = three_layers(tmp_path / "third.safetensors", seed=2)
    assert names(third, like=both) == [f"third.random-same-layers.{name}.lowest-0.5" for name in ("net", "other")]


def test_names_of_what_takes_from_other_files(source, tmp_path):
    other = three_layers(tmp_path / "other.safetensors", seed=1)
    assert names(source, mask_from=str(other)) == ["net.mask.other"]
    assert names(source, 0.5, rewind_to=str(other)) == ["net.lowest-0.5.rewound"]
    half = tmp_path / "net.lowest-0.5.safetensors"
    save_file(load_file(source), half)
    assert names(source, like=str(half)) == ["net.random-same-layers.lowest-0.5"]


def test_the_settings_name_what_was_asked_and_nothing_else(source, tmp_path):
    (plan,) = plans(source, 0.5)
    plain = {"method": "lowest", "scope": "layer", "layers": "all", "exclude": None, "sparsity": 0.5, "seed": None}
    assert plan.settings == plain
    other = three_layers(tmp_path / "other.safetensors", seed=1)
    (plan,) = plans(source, 0.5, min_keep=3.0, rewind_to=str(other), storage="bitmask", method="random", seeds=(4,))
    more = {"min_keep": 3.0, "rewind_to": read(other).sha256, "storage": "bitmask"}
    assert plan.settings == {**plain, "method": "random", "seed": 4, **more}
    (plan,) = plans(source, 0.5, structure="filter", method="taylor")
    assert plan.settings.keys() >= {"split", "images", "batch_size", "structure"}


def test_the_lineage_has_links_from_where_the_file_will_lie(source, tmp_path):
    outputs = Outputs(tmp_path / "deep" / "er")
    task = task_of(read(source), PruneConfig((0.5,)))
    (plan,) = plans_of(task, outputs)
    lineage = lineage_of(task, plan, outputs, PENDING)
    assert (lineage.stage, lineage.last_settings) == ("prune", Settings("prune", plan.settings))
    assert (lineage.parent.path, lineage.parent.sha256) == ("../../net.safetensors", PENDING)
    assert lineage.dense == lineage.parent


def test_the_layers_that_take_part(source):
    def taken(**options: Any) -> list[str]:
        return [layer.name for layer in task_of(read(source), PruneConfig(**{"sparsity": (0.5,), **options})).layers]

    assert taken() == ["conv", "fc1", "fc2"]
    assert taken(layers="fc*", exclude="fc2") == ["fc1"]
    assert taken(sparsity=(), structure="2:4") == ["conv", "fc1"]  # of 30 inputs none is a whole number of fours


def test_no_layer_suits_the_pattern(source):
    with pytest.raises(UsageError, match=r"no layer of .* has a multiple of 7 inputs"):
        task_of(read(source), PruneConfig(structure="2:7"))


def test_a_weight_that_is_no_number_is_named(source, tmp_path):
    state = load_file(source)
    state["fc1.bias"][3] = torch.nan
    save_file(state, tmp_path / "nan.safetensors")
    for path, options in ((tmp_path / "nan.safetensors", {}), (source, {"rewind_to": str(tmp_path / "nan")})):
        with pytest.raises(ApcliError, match=r"nan\.safetensors: tensor fc1\.bias holds 1 NaN"):
            task_of(read(path), PruneConfig((0.5,), **options))


def test_another_network_s_file_is_refused(source, tmp_path):
    save_file({name: torch.zeros(2, 2) for name in SHAPES}, tmp_path / "other.safetensors")
    for option in ("like", "mask_from", "rewind_to"):
        amount = (0.5,) if option == "rewind_to" else ()
        with pytest.raises(ApcliError, match=rf"--{option.replace('_', '-')} .*other.*is not that of"):
            plans(source, *amount, **{option: str(tmp_path / "other.safetensors")})
