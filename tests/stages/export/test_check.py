"""A product is held to its checkpoint: other logits, or fewer zeros, and it is not written."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from channel_prunings import Branches

from apcli.errors import ApcliError, VerificationError
from apcli.stages.export.check import TOLERANCE, check
from apcli.stages.export.products import Product


def product_of(one: Any) -> Product:
    return Product(one.network, dict(one.network.state_dict()), "")


def test_the_same_network_is_the_same(exported: Any) -> None:
    one = exported(network=Branches())
    zeros = sum(int((w == 0).sum()) for w in one.network.state_dict().values() if w.dim() > 1)
    weights = sum(w.numel() for w in one.network.state_dict().values() if w.dim() > 1)
    found = check(one, product_of(one), "net.onnx")
    assert f"to 0 of the largest, and its {zeros:,} zeros among {weights:,} weights" in found


@pytest.mark.parametrize(("factor", "fine"), [(1 + TOLERANCE / 2, True), (1 + 2 * TOLERANCE, False)])
def test_logits_may_differ_by_the_tolerance(exported: Any, factor: float, fine: bool) -> None:
    one = exported(network=Branches())
    product = replace(product_of(one), run=lambda images: factor * one.network(images))
    if fine:
        assert "to 5e-05 of the largest" in check(one, product, "net.onnx")
        return
    with pytest.raises(VerificationError, match=r"net.onnx would compute other logits than .*net.safetensors: they"):
        check(one, product, "net.onnx")


def test_each_number_of_images_is_run(exported: Any) -> None:
    one = exported(network=Branches())
    sizes: list[int] = []
    product = replace(product_of(one), run=lambda images: sizes.append(len(images)) or one.network(images))
    check(one, product, "net.onnx")
    check(replace(one, batch_size=3), product, "net.onnx")
    assert sizes == [1, 2, 3]
    broken = replace(product, run=lambda images: one.network(images)[:1])
    with pytest.raises(VerificationError, match="they differ by inf"):
        check(one, broken, "net.onnx")


def test_a_lost_zero_is_found_under_its_name_and_elsewhere(exported: Any) -> None:
    one = exported(network=Branches())
    weight = one.network.mix.weight.detach()
    lost = weight.clone()
    lost.view(-1)[weight.view(-1).eq(0).nonzero()[0]] = 1
    others = {name: tensor for name, tensor in product_of(one).tensors.items() if name != "mix.weight"}
    assert check(one, Product(one.network, {**others, "folded": weight.flatten(1).T}, ""), "net.onnx")
    for tensors in ({**others, "mix.weight": lost}, {**others, "folded": lost.flatten(1).T}, others):
        with pytest.raises(VerificationError, match=r"net.onnx would lack [\d,]+ of the [\d,]+ zeros"):
            check(one, Product(one.network, tensors, ""), "net.onnx")


def test_a_network_without_finite_logits_is_no_measure(exported: Any) -> None:
    one = exported(network=Branches())
    with torch.no_grad():
        one.network.fc[2].bias.fill_(float("inf"))
    with pytest.raises(ApcliError, match="logits are not finite"):
        check(one, product_of(one), "net.onnx")
