"""The tracer: owners of axes, what is computed from parameters alone, places, and flows."""

import torch
from torch import nn

from apcli.channels.trace.axes import Axis
from apcli.channels.trace.products import RULES, followed
from apcli.channels.trace.tracing import Tracer, places_of


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 2)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return self.b(self.a(x) * self.scale)


def traced():
    network = Net()
    tracer = Tracer(network, RULES, followed, [""])
    images = torch.zeros(2, 3)
    with torch.no_grad(), tracer:
        result = network(images)
    return network, tracer, result


def test_an_axis_of_a_weight_knows_its_owner():
    network, tracer, result = traced()
    axis = tracer.axes(network.b.weight)[1]
    (owner, places) = tracer.owner(axis)
    assert (owner, places.tolist()) == (("b.weight", 1), [0, 1, 2, 3])
    assert tracer.owner(axis.take(torch.tensor([2, 0]).numpy()))[1].tolist() == [2, 0]
    assert tracer.owner(Axis(tracer.atoms.new(2))) is None
    assert tracer.owner(None) is None
    assert tracer.owner(tracer.axes(result)[1])[0] == ("b.weight", 0)


def test_flows_and_tensors_of_parameters_alone():
    network, tracer, result = traced()
    (flow, (pairs,)) = next(iter(tracer.flows.items()))
    assert len(tracer.flows) == 1
    assert (flow, pairs.tolist()) == (("a.weight", 0, "b.weight", 1), [[0, 1, 2, 3]] * 2)
    assert tracer.is_plain(network.scale)
    assert not tracer.is_plain(result)
    with torch.no_grad(), tracer:
        assert tracer.is_plain(network.scale.reshape(2, 2) * 2)
        assert not tracer.is_plain(network.scale + torch.zeros(4))
        assert not tracer.is_plain(network.a.weight @ network.scale[:3])


def test_an_images_channels_stay():
    _, tracer, _ = traced()
    classes = tracer.atoms.classes()
    start = tracer.starts[tracer.owners.index(("a.weight", 1))]
    reasons = classes.reasons[int(classes.of[start])]
    assert [reason.text for reason in reasons] == ["they are the images, or numbers that no layer makes"]


def test_the_running_modules_are_known_and_hooks_are_removed():
    network = nn.Sequential(nn.Identity(), nn.Sequential(nn.ReLU()))
    seen: list[list[str]] = []
    hooks = [len(module._forward_pre_hooks) for module in network.modules()]
    with places_of(network) as running:
        hook = network[1][0].register_forward_pre_hook(lambda *_: seen.append(list(running)))
        network(torch.zeros(1))
        assert running == [""]
    hook.remove()
    network(torch.zeros(1))
    assert seen == [["", "", "1", "1.0"]]
    assert [len(module._forward_pre_hooks) for module in network.modules()] == hooks
