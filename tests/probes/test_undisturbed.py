"""What a probe leaves as it was, and which outputs are logits."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from apcli.errors import ApcliError
from apcli.probes.undisturbed import logits_of, undisturbed


def test_the_network_is_evaluated_meanwhile_and_as_it_was_afterwards(case, unchanged):
    """Training flags and buffers of every module, and the fast path of attention."""
    check = unchanged(case.model)
    with undisturbed(case.model):
        assert not any(module.training for module in case.model.modules())
        assert not torch.backends.mha.get_fastpath_enabled()
        for buffer in case.model.buffers():
            buffer.add_(1)
        case.model.train()
    check()


def test_the_network_is_as_it_was_after_an_error(made, unchanged):
    case = made("residual")
    check = unchanged(case.model)

    def fail():
        with undisturbed(case.model):
            case.model.norm.running_mean.zero_()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    check()


def test_buffers_keep_their_storage():
    """A network may hold a view of one."""
    model = nn.BatchNorm1d(3)
    view = model.running_mean[:2]
    with undisturbed(model):
        model.running_mean.fill_(7.0)
    assert view.tolist() == [0, 0]
    assert view.data_ptr() == model.running_mean.data_ptr()


class Remembering(nn.Linear):
    memory: dict
    passes = 0

    def forward(self, x):
        self.passes += 1
        weight = self.memory.setdefault("weight", self.weight.detach() * 1)
        return nn.functional.linear(x, weight, self.bias)


def test_what_a_network_remembers_is_forgotten():
    """Otherwise it would go on with the weights that it had then."""
    model = Remembering(3, 2)
    model.memory = memory = {"other": 1}
    for _ in range(2):
        with undisturbed(model):
            found = model(torch.ones(1, 3))
        torch.testing.assert_close(found, nn.functional.linear(torch.ones(1, 3), model.weight, model.bias))
        with torch.no_grad():
            model.weight.add_(1)
    assert model.memory is memory
    assert memory == {"other": 1}
    assert model.passes == 0


class Frozen(dict):
    def update(self, *args, **others):
        raise TypeError("it is frozen")


def test_a_dictionary_of_another_class_is_left_alone():
    model = nn.Linear(3, 2)
    model.settings = Frozen(width=3)
    with undisturbed(model):
        pass
    assert model.settings == {"width": 3}


def test_attention_has_forward_derivatives_meanwhile():
    """The fused kernels have none."""
    tokens = torch.randn(2, 1, 5, 4, generator=torch.Generator().manual_seed(0)).double()
    attention = lambda x: F.scaled_dot_product_attention(x, x, x)  # noqa: E731
    with undisturbed(nn.Identity()):
        _, change = torch.func.jvp(attention, (tokens,), (torch.ones_like(tokens),))
    step = 1e-6 * torch.ones_like(tokens)
    expected = (attention(tokens + step) - attention(tokens - step)) / 2e-6
    torch.testing.assert_close(change, expected, rtol=1e-6, atol=1e-8)


def test_logits_are_the_output_or_the_first_of_several():
    logits = torch.tensor([[1.0, 2.0]])
    assert logits_of(logits) is logits
    assert logits_of((logits, None)) is logits


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (torch.zeros(2, 1), r"has shape \[2, 1\]"),
        (torch.zeros(2), r"has shape \[2\]"),
        (torch.zeros(2, 3, 4), r"has shape \[2, 3, 4\]"),
        ({"logits": 0}, "has type dict"),
        (([0.0, 1.0],), "has type list"),
    ],
)
def test_other_outputs_are_refused_with_their_shape_or_type(output, words):
    with pytest.raises(ApcliError, match=rf"the network's output {words}: expected logits \[images, 2 or more"):
        logits_of(output)
