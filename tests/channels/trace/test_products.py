"""Operations that compute across entries: what they couple is what their result depends on."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from apcli.channels.trace.products import RULES, followed
from apcli.channels.trace.tracing import Tracer


class Holder(nn.Module):
    def __init__(self, **shapes):
        super().__init__()
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.randn(shape)))


def coupled(operation, **shapes):
    """The axes that lose entries together, as sets of (tensor, dimension), and the reasons by axis."""
    holder = Holder(**shapes)
    tracer = Tracer(holder, RULES, followed, [""])
    for name in shapes:
        if name[0] == "x":  # an activation
            del tracer._plain[getattr(holder, name)]
    with torch.no_grad(), tracer:
        operation(*holder.parameters())
    classes = tracer.atoms.classes()
    of = {
        owner: [int(classes.of[i]) for i in range(tracer.starts[n], tracer.starts[n + 1])]
        for n, owner in enumerate(tracer.owners)
    }
    groups = {frozenset(o for o in of if of[o] == of[owner] and len(of[o]) > 1) for owner in of}
    reasons = {
        owner: {r.text for label in labels for r in classes.reasons.get(label, ())} for owner, labels in of.items()
    }
    return {group for group in groups if len(group) > 1}, reasons, tracer


def test_a_linear_layer_reads_columns_and_makes_rows():
    groups, reasons, tracer = coupled(F.linear, x=(2, 7, 3), w=(5, 3), b=(5,))
    assert groups == {frozenset({("x", 2), ("w", 1)}), frozenset({("w", 0), ("b", 0)})}
    assert (tracer.roles.read, tracer.roles.made) == ({("w", 1)}, {("w", 0)})
    assert reasons["w", 1] == reasons["w", 0] == set()


def test_convolutions_read_and_make_their_channels():
    groups, _, tracer = coupled(F.conv2d, x=(2, 3, 8, 8), w=(5, 3, 3, 3), b=(5,))
    assert frozenset({("x", 1), ("w", 1)}) in groups
    assert frozenset({("w", 0), ("b", 0)}) in groups
    assert (tracer.roles.read, tracer.roles.made) == ({("w", 1)}, {("w", 0)})
    groups, _, tracer = coupled(F.conv_transpose2d, x=(2, 3, 8, 8), w=(3, 5, 3, 3), b=(5,))
    assert {frozenset({("x", 1), ("w", 0)}), frozenset({("w", 1), ("b", 0)})} <= groups
    assert (tracer.roles.read, tracer.roles.made) == ({("w", 0)}, {("w", 1)})
    groups, _, tracer = coupled(lambda x, w: F.conv2d(x, w, groups=5), x=(2, 5, 8, 8), w=(5, 1, 3, 3))
    assert frozenset({("x", 1), ("w", 0)}) in groups
    assert not tracer.roles.made


def test_grouped_convolutions_lose_whole_groups():
    _, reasons, tracer = coupled(lambda x, w: F.conv2d(x, w, groups=4), x=(2, 8, 9, 9), w=(12, 2, 1, 1))
    classes = tracer.atoms.classes().of
    start = dict(zip(tracer.owners, tracer.starts, strict=False))
    for group, channel, row in itertools.product(range(4), range(2), range(3)):
        assert classes[start["x", 1] + 2 * group + channel] == classes[start["w", 0] + 3 * group + row]
    assert reasons["w", 1] == {"they are regrouped"}
    assert reasons["w", 0] == set()


NORM = "a norm takes its statistics over them"


@pytest.mark.parametrize(
    ("operation", "shapes", "dim", "reason"),
    [
        (lambda x, w: F.layer_norm(x, (6,), w), {"x": (2, 5, 6), "w": (6,)}, 2, NORM),
        (lambda x, w: F.group_norm(x, 1, w), {"x": (2, 6, 5), "w": (6,)}, 1, NORM),
        (lambda x: x.mean(1), {"x": (2, 6, 5)}, 1, NORM),
        (lambda x: x.norm(dim=2), {"x": (2, 6, 5)}, 2, NORM),
        (lambda x: x.amax(1, keepdim=True), {"x": (2, 6, 5)}, 1, NORM),
        (lambda x: x.softmax(1), {"x": (2, 6, 5)}, 1, "a softmax weighs them against others"),
        (lambda x, xx: x @ xx, {"x": (2, 4, 6), "xx": (2, 6, 5)}, 2,
         "they meet in a product of two activations, as in attention"),
        (F.scaled_dot_product_attention,
         {"x": (2, 3, 4, 6), "xx": (2, 3, 5, 6), "xxx": (2, 3, 5, 7)}, 3,
         "they meet in a product of two activations, as in attention"),
    ],
)  # fmt: skip
def test_entries_that_depend_on_each_other_stay(operation, shapes, dim, reason):
    _, reasons, _ = coupled(operation, **shapes)
    assert reason in reasons["x", dim]
    assert not any(reason in reasons["x", k] for k in range(len(shapes["x"])) if k != dim)


def test_attention_couples_its_heads():
    groups, reasons, _ = coupled(
        lambda x, xx, xxx: (x @ xx.mT).softmax(-1) @ xxx, x=(2, 3, 4, 6), xx=(2, 3, 5, 6), xxx=(2, 3, 5, 7)
    )
    assert frozenset({("x", 1), ("xx", 1), ("xxx", 1)}) in groups
    assert reasons["x", 1] == reasons["xxx", 3] == set()


def test_a_batch_norm_goes_entry_by_entry():
    groups, reasons, _ = coupled(F.batch_norm, x=(2, 6, 5, 5), m=(6,), v=(6,), w=(6,), b=(6,))
    assert frozenset({("x", 1), ("m", 0), ("v", 0), ("w", 0), ("b", 0)}) in groups
    assert reasons["x", 1] == set()


def test_a_standardised_weight_is_told_apart():
    groups, reasons, _ = coupled(
        lambda x, w: F.conv2d(x, F.batch_norm(w.reshape(1, 5, -1), None, None, training=True).reshape_as(w)),
        x=(2, 4, 6, 6), w=(5, 4, 1, 1),
    )  # fmt: skip
    assert frozenset({("x", 1), ("w", 1)}) in groups
    assert reasons["w", 1] == {"a weight is standardised over them before a layer takes it"}
    assert reasons["w", 0] == set()


def test_attention_of_fewer_keys_than_queries_is_not_followed():
    """Queries in groups share a head of keys and values: no axis of the one is an axis of the other."""
    _, reasons, _ = coupled(
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu,
        x=(2, 4, 5, 8), xx=(2, 2, 5, 8), xxx=(2, 2, 5, 8),
    )  # fmt: skip
    assert all("does not follow" in reason for tensor in ("x", "xx", "xxx") for reason in reasons[tensor, 1])
    assert reasons["x", 1]


def test_a_mask_over_two_dimensions_is_not_followed():
    """What it leaves is one dimension, whose entries are those of no axis."""
    mask = torch.triu(torch.ones(4, 4, dtype=torch.bool))
    _, reasons, _ = coupled(lambda x, w: F.linear(x[:, mask], w), x=(2, 4, 4), w=(3, 10))
    assert all("does not follow index" in text for dim in (1, 2) for text in reasons["x", dim])
    assert reasons["x", 1]
