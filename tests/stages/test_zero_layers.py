"""Networks whose head starts at zero: their masks are refused where they cannot be told, and learnt where they can."""

from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from short_trainings import quiet

from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.errors import UsageError
from apcli.stages.finetune import Finetuner
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune
from apcli.stages.train import train

NET = """
from torch import nn

def net(num_classes=10):
    layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, num_classes))
    nn.init.zeros_(layers[3].weight)
    return layers
"""


def loop(epochs: int) -> LoopConfig:
    return LoopConfig(epochs=epochs, batch_size=64, lr=0.1, augment="none", device="cpu")


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("net") / "net.py"
    path.write_text(NET)
    return f"{path}:net"


@pytest.fixture(scope="module")
def files(net: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The network as it starts, and trained."""
    folder = tmp_path_factory.mktemp("files")
    paths = (
        next(train(TrainConfig(ModelConfig(net), loop=loop(epochs)), Outputs(folder / f"{epochs}"), quiet))
        for epochs in (0, 2)
    )
    start, trained = paths
    assert not load_file(start)["3.weight"].any()
    return start, trained


def pruned(source: Path, folder: Path, exclude: str | None = None, rewind_to: Path | None = None) -> Path:
    config = PruneConfig((0.5,), exclude=exclude, rewind_to=rewind_to and str(rewind_to))
    return next(prune(read(source), config, Outputs(folder)))


@pytest.mark.slow
def test_rewinding_to_a_start_at_zero_is_refused_and_works_without_that_layer(files, net, tmp_path):
    start, trained = files
    words = r"^--rewind-to \S+: 3 is all zero, like layers that start at zero.* later file.* with --exclude 3$"
    with pytest.raises(UsageError, match=words):
        pruned(trained, tmp_path, rewind_to=start)
    assert list(tmp_path.iterdir()) == []
    path = pruned(trained, tmp_path, "3", rewind_to=start)
    assert read(path).lineage.pruned.keys() == {"1.weight"}
    tuned = Finetuner(FinetuneConfig(loop=loop(2), model=net), Outputs(tmp_path / "tuned"), quiet).finetune(read(path))
    assert load_file(tuned)["3.weight"].all()
    assert read(tuned).lineage.metrics["test"]["accuracy"] > 80


def test_a_mask_from_an_earlier_round_is_not_lost_in_a_start_at_zero(files, tmp_path):
    start, trained = files
    path = pruned(trained, tmp_path)
    with pytest.raises(UsageError, match="3 is all zero"):
        pruned(path, tmp_path, "3", rewind_to=start)


def test_a_layer_that_starts_at_zero_has_no_mask(files, tmp_path):
    start, _ = files
    with pytest.raises(UsageError, match=r": 3 is all zero.* train it first, .*finetune --sparsity.* --exclude 3$"):
        pruned(start, tmp_path)
    assert pruned(start, tmp_path, "3").is_file()


def test_what_was_pruned_away_is_pruned_on_and_a_stranger_s_zeros_may_have_been(files, tmp_path):
    _, trained = files
    tensors = load_file(trained)
    save_file({**tensors, "3.weight": 0 * tensors["3.weight"]}, tmp_path / "strange.safetensors")
    once = pruned(tmp_path / "strange.safetensors", tmp_path)
    assert read(once).lineage.pruned["3.weight"].zeros == 320
    assert read(pruned(once, tmp_path / "twice")).lineage.pruned["3.weight"].zeros == 320


def test_pruning_while_training_lets_a_layer_that_starts_at_zero_learn(files, net, tmp_path):
    config = FinetuneConfig(loop=loop(3), model=net, sparsity=0.5, schedule="cubic:begin=0.2:every=2")
    path = Finetuner(config, Outputs(tmp_path), quiet).finetune(read(files[0]))
    assert read(path).lineage.pruned["3.weight"].zeros == 160
    assert (load_file(path)["3.weight"] == 0).sum() == 160
    assert read(path).lineage.metrics["test"]["accuracy"] > 80
