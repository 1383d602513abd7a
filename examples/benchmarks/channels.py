"""Pruning half of the channels of many architectures, by apcli and by torch-pruning.

Usage: python examples/benchmarks/channels.py [--only GLOB,...] [--size N] [--memory]

A row for each architecture, with random weights: what each removes of the channels (rows of layers' weights) and of the
parameters; by how much the logits of apcli's compact file differ from those of the masked one, over the largest; CPU
seconds, for apcli also over those of two forward and backward passes of two images and of writing the file; and peak
memory over the size of the file, beyond that of the imports. torch-pruning is told the heads of timm's attentions. It
also cuts widths that norms take their statistics over, which changes the network; so does apcli with --through-norms,
which has a column of its own. Where apcli removes less, its reasons follow. Each measurement has a process of its own,
and two minutes of the processor.

--memory: the command itself on large files, whose peak memory must be at most 3 times the file.
"""

import argparse
import fnmatch
import json
import logging
import os
import re
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import torch_pruning
import torchvision  # noqa: F401  # in the memory of the imports
from torch import nn

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.kept_channels import parsed
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.reading import read
from apcli.checkpoints.state_dicts import entries_of, tensor_of
from apcli.checkpoints.writing import write
from apcli.configs.prune import PruneConfig
from apcli.models.build import build, last_layer
from apcli.models.spec import ModelSpec
from apcli.networks import noise_for
from apcli.progress import Progress
from apcli.stages.outputs import Outputs
from apcli.stages.prune.network import NetworkScores
from apcli.stages.prune.stage import prune

TORCHVISION = """
alexnet vgg11_bn resnet18 resnet50 resnext50_32x4d wide_resnet50_2 densenet121 squeezenet1_1 googlenet inception_v3
mobilenet_v2 mobilenet_v3_small mnasnet0_5 shufflenet_v2_x0_5 shufflenet_v2_x1_0 efficientnet_b0 efficientnet_v2_s
regnet_x_400mf regnet_y_400mf convnext_tiny vit_b_16 swin_t swin_v2_t maxvit_t
"""
TIMM = """
regnetx_002 regnety_002 resnest14d skresnet18 seresnext26d_32x4d resnetv2_50x1_bit nf_resnet26 nfnet_l0
hrnet_w18_small dla34 ese_vovnet19b_dw cspresnet50 ghostnet_050 mixnet_s mobilenetv4_conv_small fastvit_t8
mobileone_s0 repvgg_a0 rexnet_100 lcnet_050 semnasnet_075 convnext_atto convnextv2_atto inception_next_atto
edgenext_xx_small efficientformer_l1 poolformer_s12 mobilevit_xxs vit_tiny_patch16_224 deit_tiny_patch16_224
swin_tiny_patch4_window7_224 resmlp_12_224 mixer_s32_224 xcit_nano_12_p16_224 pvt_v2_b0 cait_xxs24_224 levit_128s
"""
MORE = """
coat_tiny crossvit_tiny_240 visformer_tiny tnt_s_patch16_224 pit_ti_224 twins_svt_small volo_d1_224 gcvit_xxtiny
tiny_vit_5m_224 maxvit_pico_rw_256 eva02_tiny_patch14_224 convit_tiny davit_tiny focalnet_tiny_srf hiera_tiny_224
repvit_m0_9 starnet_s1 efficientvit_b0 efficientvit_m0 mambaout_femto hgnetv2_b0 sequencer2d_s gernet_s selecsls42
dpn48b res2net50_26w_4s botnet26t_256 halonet26t lambda_resnet26t convformer_s18
"""
CIFAR = "resnet20 resnet56"
LARGE = {"mobileone_s0": "timm", "resnet50": "torchvision", "vit_b_16": "torchvision", "vgg11": "torchvision"}
FIXED = """
swin mixer resmlp volo coat_ tnt pit convit cait eva02 halo lambda botnet inception_v3 former levit tiny_vit
"""
MOST = 120  # CPU seconds of one measurement


def spec_of(name: str, source: str, size: int | None) -> ModelSpec:
    """The network's specification, for images of its own size or of ``size`` where it takes others."""
    own = 32 if source == "apcli" else 224
    if source == "timm":
        own = timm.get_pretrained_cfg(name).input_size[-1]
    if size and source != "apcli" and not any(part in name for part in FIXED.split()):
        own = size
    return ModelSpec(name, source, 1000, (3, own, own), (0.0,) * 3, (1.0,) * 3)


def aside(work: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """The result of ``work`` in a process of its own, with its ``peak`` memory in bytes beyond what it began with."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        began, used = _resident(), int(sum(os.times()[:2]))
        resource.setrlimit(resource.RLIMIT_CPU, (used + MOST, used + MOST))
        try:
            found = work(*args)
        except Exception as error:  # noqa: BLE001  # whatever a library raises is said
            found = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"[:160]}
        found.setdefault("peak", max(0, _most() - began))
        with os.fdopen(writing, "w") as out:
            out.write(json.dumps(found))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as given:
        text = given.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"error": f"stopped, after {MOST} s at the latest"}


def _most() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _resident() -> int:
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if pages.exists() else _most()


def made(spec: ModelSpec, path: str) -> dict[str, Any]:
    """Write a file of random weights that records its network; time a forward and backward pass of two images."""
    torch.manual_seed(0)
    model = build(spec)
    for tensor in model.state_dict().values():  # what starts at 0 or 1 would hide differences
        if tensor.is_floating_point() and tensor.dim() == 1:
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point() and not tensor.any():
            tensor.normal_(std=0.02)
    write(Path(path), entries_of(model.state_dict()), Lineage.EMPTY.then("train", {}, model=spec.to_json()))
    images = torch.randn(2, *spec.input_size)
    began = time.process_time()
    model.eval()(images).sum().backward()
    passing = time.process_time() - began
    began = time.process_time()
    write(Path(f"{path}.copy"), entries_of(model.state_dict()), Lineage.EMPTY)
    return {
        "passing": passing,
        "writing": time.process_time() - began,
        "size": Path(path).stat().st_size,
        **_size(model),
    }


def _size(model: nn.Module) -> dict[str, Any]:
    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.modules.conv._ConvNd)]
    rows = sum(m.weight.shape[1 if getattr(m, "transposed", False) else 0] for m in layers)
    grouped = any(1 < getattr(m, "groups", 1) < m.in_channels for m in layers)
    return {"parameters": sum(p.numel() for p in model.parameters()), "channels": rows, "grouped": grouped}


class _Reasons(logging.Handler):
    """Gathers why groups keep their channels."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts += [record.getMessage().partition(": ")[2]] if re.search("keep|kept", record.getMessage()) else []


def by_apcli(spec: ModelSpec, path: str, through: bool) -> dict[str, Any]:
    """Prune the file to a compact one, and compare it with the same file with zeros in place of the channels."""
    reasons, logger = _Reasons(), logging.getLogger("apcli")
    logger.addHandler(reasons)
    logger.setLevel(logging.INFO)
    config = PruneConfig((0.5,), structure="filter", compact=True, device="cpu", through_norms=through)
    networks = NetworkScores(config, Progress())
    folder = Path(path).parent / f"through-{through}"
    folder.mkdir(exist_ok=True)
    before, began = _resident(), time.process_time()
    source = read(Path(path))
    (target,) = prune(source, config, Outputs(folder / "out.safetensors"), networks)
    seconds, peak = time.process_time() - began, max(0, _most() - before)
    compact = read(target)
    small = networks.networks.network(spec, compact).eval()
    found = {"seconds": seconds, "peak": peak, "reasons": "; ".join(reasons.texts), **_size(small)}
    if not through:
        dense = networks.networks.network(spec, source).eval()
        _zero_(dense, compact)
        with torch.no_grad():
            images = noise_for(dense, spec, 2)
            expected, actual = dense(images), small(images)
        found["difference"] = float((expected - actual).abs().max() / expected.abs().max())
    else:
        found["difference"] = compact.lineage.norm_difference
    return found


def _zero_(dense: nn.Module, compact: Checkpoint) -> None:
    """Set what the compact file lacks to zero, except for vectors."""
    for name, tensor in dense.state_dict().items():
        for dim, text in compact.lineage.kept.get(name, {}).items() if tensor.dim() > 1 else ():
            own, at = compact.entries[name].shape, int(dim)
            gone = np.setdiff1d(np.arange(tensor.shape[at]), parsed(text, own[at]))
            tensor.index_fill_(at, torch.from_numpy(gone), 0)


def by_torch_pruning(spec: ModelSpec, path: str) -> dict[str, Any]:
    """Prune the same network with torch-pruning, and run what is left."""
    model = build(spec).eval()
    model.load_state_dict({name: tensor_of(entry) for name, entry in read(Path(path)).entries.items()})
    last = last_layer(model, spec).rpartition(".")[0]
    attentions = [
        m for m in model.modules() if hasattr(m, "num_heads") and isinstance(getattr(m, "qkv", None), nn.Linear)
    ]
    heads = {m.qkv: m.num_heads for m in attentions}
    began = time.process_time()
    pruner = torch_pruning.pruner.BasePruner(
        model,
        torch.randn(1, *spec.input_size),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=1),
        pruning_ratio=0.5,
        ignored_layers=[model.get_submodule(last)],
        num_heads=heads,
        prune_num_heads=bool(heads),
        prune_head_dims=not heads,
        head_pruning_ratio=0.5 if heads else 0.0,
    )
    pruner.step()
    seconds = time.process_time() - began
    for m in attentions:
        m.num_heads = pruner.num_heads[m.qkv]
        m.head_dim = m.qkv.out_features // (3 * m.num_heads)
        m.attn_dim = m.num_heads * m.head_dim
    found = {"seconds": seconds, **_size(model)}
    try:
        with torch.no_grad():
            model(torch.randn(2, *spec.input_size))
    except Exception as error:  # noqa: BLE001
        found["fails"] = f"{type(error).__name__}"
    return found


HEAD = ["architecture", "parameters", "apcli: channels", "parameters", "difference", "CPU s",
        "over 2 passes and writing", "peak over file", "through norms: parameters", "difference",
        "torch-pruning: channels", "parameters", "CPU s",
        "peak over file", "in words"]  # fmt: skip


def row(name: str, source: str, size: int | None) -> list[str]:
    """Everything that is measured of one architecture."""
    spec = spec_of(name, source, size)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/net.safetensors"
        whole = aside(made, spec, path)
        if "error" in whole:
            return [name, *["-"] * (len(HEAD) - 2), f"not built: {whole['error']}"]
        own, through = aside(by_apcli, spec, path, False), aside(by_apcli, spec, path, True)
        other = aside(by_torch_pruning, spec, path)

    def share(of: dict[str, Any], key: str) -> str:
        return f"{1 - of[key] / whole[key]:.3f}" if key in of else "-"

    def over(of: dict[str, Any]) -> str:
        return f"{of['peak'] / whole['size']:.2f}" if "seconds" in of else "-"

    def time_of(of: dict[str, Any]) -> list[str]:
        limit = 2 * whole["passing"] + whole["writing"]
        return [f"{of['seconds']:.1f}", f"{of['seconds'] / limit:.2f}"] if "seconds" in of else ["-", "-"]

    words = [f"apcli: {own['error']}"] if "error" in own else []
    words += [f"torch-pruning: {other['error']}"] if "error" in other else []
    words += [f"torch-pruning's network fails ({other['fails']})"] if "fails" in other else []
    if "parameters" in own and "parameters" in other and own["parameters"] > other["parameters"] * 1.001:
        reasons = [text for text in own["reasons"].split("; ") if "the network's output" not in text]
        reasons += ["groups of convolutions go whole, where torch-pruning narrows each"] if whole["grouped"] else []
        words.append(
            "; ".join(reasons).removeprefix("these keep their channels: ")
            or "whole heads go, so the others keep their width; or shares round otherwise"
        )
    return [
        name, f"{whole['parameters']:,}", share(own, "channels"), share(own, "parameters"),
        f"{own['difference']:.1e}" if "difference" in own else "-", *time_of(own),
        over(own), share(through, "parameters"),
        "-" if through.get("difference") is None else f"{through['difference']:.2g}",
        share(other, "channels"), share(other, "parameters"),
        f"{other['seconds']:.1f}" if "seconds" in other else "-", over(other), "; ".join(words),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="names, with * and ?")
    parser.add_argument("--size", type=int, help="of images, for networks that take any")
    parser.add_argument("--memory", action="store_true", help="large files only")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    known = [(name, source) for names, source in ((CIFAR, "apcli"), (TORCHVISION, "torchvision"), (TIMM, "timm"),
             (MORE, "timm")) for name in names.split()]  # fmt: skip
    chosen = list(LARGE.items()) if given.memory else known
    print(f"| {' | '.join(HEAD)} |")
    print(f"|{' --- |' * len(HEAD)}")
    for name, source in chosen:
        if any(fnmatch.fnmatch(name, pattern) for pattern in given.only.split(",")):
            print(f"| {' | '.join(row(name, source, given.size))} |", flush=True)


if __name__ == "__main__":
    main()
