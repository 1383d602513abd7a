"""What parameters and compression are: one definition, from a file alone as with its network."""

import numpy as np
import pytest
import timm
import torch
import torchvision
from marked import slow_but
from safetensors.torch import save_file
from torch import nn

from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import prunable, select
from apcli.checkpoints.reading import read
from apcli.checkpoints.sizes import Sizes, counted, is_buffer, sizes, weights_of

DTYPES = {torch.float32: "F32", torch.int64: "I64", torch.bool: "BOOL"}

# Constants of a module that are called as a weight is: counted as parameters.
KNOWN = {"stem_dct.transform.transform.weights"}


def differing(network: nn.Module) -> set[str]:
    """The tensors of which the name says something else than the network."""
    parameters = {name for name, _ in network.named_parameters(remove_duplicate=False)}
    state = network.state_dict()
    return {name for name, tensor in state.items() if is_buffer(name, DTYPES[tensor.dtype]) == (name in parameters)}


@pytest.mark.parametrize(
    "name", slow_but(["resnet18", "swin_v2_t", "mobilenet_v3_small", "maxvit_t", "vit_b_16"], "resnet18")
)
def test_the_name_says_what_torchvision_s_networks_say(name):
    with torch.device("meta"):
        assert differing(torchvision.models.get_model(name)) == set()


@pytest.mark.long
def test_the_name_says_what_every_module_of_timm_says():
    of_modules = {timm.models._registry._model_to_module[name]: name for name in reversed(timm.list_models())}
    strange, built = set(), 0
    for name in of_modules.values():
        with torch.device("meta"):
            try:
                network = timm.create_model(name)
            except (RuntimeError, NotImplementedError, TypeError, ValueError):  # they need numbers while they are built
                continue
        built += 1
        strange |= differing(network)
    assert built > 0.8 * len(of_modules)
    assert strange <= KNOWN


def entry(values, dtype="F32"):
    array = np.asarray(values, np.float32 if dtype == "F32" else np.int64)
    return Entry(dtype, array.shape, array.reshape(-1).view(np.uint8))


def test_a_new_batch_norm_is_no_compression():
    tensors = {
        "conv.weight": entry(np.ones((2, 3))),
        "bn.weight": entry(np.ones(2)),
        "bn.bias": entry(np.zeros(2)),
        "bn.running_mean": entry(np.zeros(2)),
        "bn.num_batches_tracked": entry(0, "I64"),
    }
    assert sizes(tensors, {"conv.weight"}) == Sizes(parameters=10, removed=0)
    assert sizes(tensors, {"conv.weight"}).compression == 1


def test_types_that_nobody_can_prune_count_as_parameters():
    packed = Entry("F4", (8, 8), np.zeros(32, np.uint8))
    found = sizes({"q.weight": packed, "w.weight": entry(np.diag(np.ones(4)))}, {"q.weight", "w.weight"})
    assert (found.parameters, found.kept) == (80, 68)
    assert found.sparsity == pytest.approx(12 / 80)


def test_nothing_has_no_share():
    assert (Sizes(0, 0).sparsity, Sizes(0, 0).compression) == (None, None)
    assert (Sizes(4, 4).sparsity, Sizes(4, 4).compression) == (1.0, None)


def test_auxiliary_heads_are_counted_by_no_stage(tmp_path):
    """The file alone says what the network says that is built without them."""
    with torch.device("meta"):
        networks = [torchvision.models.googlenet(aux_logits=aux, init_weights=False) for aux in (True, False)]
    files = []
    for network in networks:
        state = {name: t for name, t in network.state_dict().items() if name.startswith(("aux", "conv1", "fc"))}
        small = {name: torch.zeros(tensor.shape, dtype=tensor.dtype) for name, tensor in state.items()}
        files.append(tmp_path / f"{len(files)}.safetensors")
        save_file(small, files[-1])
    found = [read(path) for path in files]
    assert len(found[0].entries) > len(found[1].entries)
    assert [layer.name for layer in prunable(found[0])] == [layer.name for layer in prunable(found[1])]
    known = [sizes(counted(checkpoint, checkpoint.entries), weights_of(checkpoint)) for checkpoint in found]
    assert known[0] == known[1]
    assert select(found[0], "aux1.fc1")  # by its own name it is to be had
