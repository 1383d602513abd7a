"""The module rule and the name rule on the networks of torchvision and timm, against an oracle that knows neither."""

import fnmatch
import warnings
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from product_oracle import multiplied
from torch import nn

from apcli.checkpoints.tensor_names import Judgement, judge
from apcli.models.layer_weights import layer_weights

UNRUN, TABLE, NAMELESS = "modules, not oracle", "oracle, not modules", "modules, not names"
# Every difference there is: who finds it and who does not, the network, the tensors, and why it is so.
EXPLAINED = {
    (
        TABLE,
        "timm:botnet26t_256",
        "*.pos_embed.*_rel",
    ): "a table of relative positions, which queries are multiplied by",
    (
        TABLE,
        "timm:gemma4_vit_167m",
        "*.position_embedding_table",
    ): "a table of positions, read by a product with one-hots",
    (TABLE, "timm:swiftformer_l1", "*.attn.w_g"): "a vector that weighs queries, of one column",
    (NAMELESS, "timm:csatv2", "stages.?.?.attn.attn.*"): "linear layers of one channel: vectors by their shape",
    (NAMELESS, "timm:eca_vovnet39b", "*.attn.conv.weight"): "one convolution over the channels: five numbers",
    (NAMELESS, "timm:ecaresnet26t", "*.se.conv.weight"): "one convolution over the channels: five numbers",
    (
        NAMELESS,
        "timm:fastvit_ma36",
        "*conv_scale.conv.weight",
    ): "depthwise 1x1: one number for each channel, as a gain has",
    (NAMELESS, "timm:lcnetv2_base", "*.dw_conv_list.?.conv.weight"): "depthwise 1x1: one number for each channel",
    (NAMELESS, "timm:repvit_m0_9", "*.token_mixer.conv1.weight"): "depthwise 1x1: one number for each channel",
    (UNRUN, "torchvision:googlenet", "aux?.*"): "an auxiliary head, which evaluation does not run",
    (UNRUN, "torchvision:inception_v3", "AuxLogits.*"): "an auxiliary head, which evaluation does not run",
    (NAMELESS, "torchvision:googlenet", "aux?.*"): "an auxiliary head: no layer in a file",
    (NAMELESS, "torchvision:inception_v3", "AuxLogits.*"): "an auxiliary head: no layer in a file",
}
SAMPLE = [
    *("timm:dm_nfnet_f0", "timm:levit_128s", "timm:resmlp_12_224", "timm:gmixer_12_224", "timm:coat_tiny"),
    *("timm:convit_tiny", "timm:halonet26t", "timm:efficientnet_cc_b0_4e"),
    *("torchvision:swin_v2_t", "torchvision:vit_b_32"),
]
OF_SAMPLE = {
    (TABLE, "timm:halonet26t", "*_rel"): "a table of relative positions, which queries are multiplied by",
    (NAMELESS, "timm:coat_tiny", "aggregate.weight"): "a convolution of three places to one: three numbers",
}


def built(name: str) -> tuple[nn.Module, list[Any]]:
    """A network, where possible without memory, and what to call it with."""
    source, _, model = name.partition(":")
    if source == "timm":
        import timm

        try:
            with torch.device("meta"):
                network = timm.create_model(model)
        except RuntimeError:  # older versions of timm compute with numbers while they build
            network = timm.create_model(model)
        device = next(network.parameters()).device
        return network, [torch.zeros(1, *network.default_cfg["input_size"], device=device)]
    return of_torchvision(model)


def of_torchvision(name: str) -> tuple[nn.Module, list[Any]]:
    import torchvision.models
    from torchvision.models.regnet import BlockParams

    options: dict[str, Any] = {"weights": None}
    builder = torchvision.models.get_model_builder(name)
    kind = builder.__module__.split(".")[2]
    if kind in ("detection", "segmentation"):
        options["weights_backbone"] = None
    if kind == "detection":  # which boxes there are depends on numbers
        small = {} if name.startswith("ssd") else {"min_size": 64, "max_size": 64}
        network = builder(**options, **small)
        return network, [[torch.rand(3, 64, 64)]]
    of_init = BlockParams.from_init_params
    with torch.device("meta"):
        try:
            # These widths are computed with tensors.
            BlockParams.from_init_params = lambda *args, **kwargs: on_cpu(of_init, *args, **kwargs)
            network = builder(**options)
        finally:
            BlockParams.from_init_params = of_init
        if kind == "video":
            return network, [torch.zeros(1, 3, 16, 224, 224)]
        if kind == "optical_flow":
            return network, [torch.zeros(1, 3, 128, 128)] * 2
        side = 299 if "inception" in name else 224
        return network, [torch.zeros(1, 3, side, side)]


def on_cpu(function: Any, *args: Any, **kwargs: Any) -> Any:
    with torch.device("cpu"):
        return function(*args, **kwargs)


def differences(name: str) -> Iterator[tuple[str, str, str]]:
    """Between oracle and modules, and between modules and names: which, in which network, of which tensor."""
    network, inputs = built(name)
    device = next(network.parameters()).device
    with torch.device(device):
        oracle = {*multiplied(network.eval(), inputs)}
    weights = layer_weights(network).weights
    once = dict(network.named_parameters())  # by the first of a parameter's names
    first = {other: next(n for n in w.names if n in once) for w in weights for other in w.names}
    modules = {first[w.tensor] for w in weights}
    types = {torch.float32: "F32", torch.int64: "I64", torch.bool: "BOOL", torch.int32: "I32"}
    verdicts = judge({n: (types[t.dtype], tuple(t.shape)) for n, t in network.state_dict().items()})
    taken = (Judgement.LAYER, Judgement.EMBEDDING)
    names = {first.get(n, n) for n, verdict in verdicts.items() if verdict.judgement in taken}
    assert modules
    assert Judgement.REFUSED not in {verdict.judgement for verdict in verdicts.values()}
    for who, some, others in (
        ("modules, not oracle", modules, oracle),
        ("oracle, not modules", oracle, modules),
        ("modules, not names", modules, names),
        ("names, not modules", names, modules),
    ):
        yield from ((who, name, tensor) for tensor in sorted(some - others))


def unexplained(found: list[tuple[str, str, str]], reasons: dict[tuple[str, str, str], str]) -> list[Any]:
    """Differences that no reason is listed for, and reasons of differences that are none."""
    used = set()
    left: list[Any] = []
    for who, model, tensor in found:
        keys = [k for k in reasons if k[:2] == (who, model) and fnmatch.fnmatchcase(tensor, k[2])]
        used.update(keys)
        left += [] if keys else [(who, model, tensor)]
    return left + [key for key in reasons if key not in used]


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_of_architectures(name):
    warnings.simplefilter("ignore")
    assert unexplained([*differences(name)], {k: why for k, why in OF_SAMPLE.items() if k[1] == name}) == []


@pytest.mark.long
def test_one_model_of_every_timm_module():
    import timm

    warnings.simplefilter("ignore")
    modules = defaultdict(list)
    for name in timm.list_models():
        modules[timm.models.model_entrypoint(name).__module__].append(name)
    models = [names[0] for names in modules.values()]
    assert len(models) > 60
    found = [difference for name in models for difference in differences(f"timm:{name}")]
    assert unexplained(found, {k: why for k, why in EXPLAINED.items() if k[1].startswith("timm:")}) == []


@pytest.mark.long
def test_all_of_torchvision():
    import torchvision.models

    warnings.simplefilter("ignore")
    models = [name for name in torchvision.models.list_models() if not name.startswith("quantized")]
    assert len(models) > 100
    found = [difference for name in models for difference in differences(f"torchvision:{name}")]
    assert unexplained(found, {k: why for k, why in EXPLAINED.items() if k[1].startswith("torchvision:")}) == []
