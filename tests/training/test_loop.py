"""The training loop on a tiny network: zeros held after every step, what may not move, and evaluation by hand."""

from contextlib import suppress
from typing import Any

import pytest
import torch
from marked import slow_but
from tiny_training import CLASSES, Net, data, network, recipe, run, snapshot, spec
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from apcli.errors import ApcliError, UsageError
from apcli.training.evaluation import evaluate
from apcli.training.forward import Forward
from apcli.training.loop import Setup, Training
from apcli.training.masking import Masking, Ramp
from apcli.training.optim import OPTIMISERS
from apcli.training.optim.parameters import parameters_of


def removed_of(model: Net) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    masks = {f"{n}.weight": torch.rand(getattr(model, n).weight.shape, generator=draw) < 0.6 for n in ("conv", "fc")}
    with torch.no_grad():
        for name, mask in masks.items():
            parameters_of(model)[name][mask] = 0
    return masks


@pytest.mark.slow
@pytest.mark.parametrize("opt", slow_but(OPTIMISERS.names, "sgd", "adamw"))
def test_zeros_are_held_after_every_step_whatever_the_optimiser_s_state_holds(opt):
    """Checked at each forward pass, so after each step; without the mask the same weights would come back."""
    options = {"opt": opt, "weight_decay": 0.01, "lr": 0.01}
    free, model = network(), network()
    masks = removed_of(free)
    removed_of(model)
    list(run(free, recipe(**options)))
    assert all((free.state_dict()[name][mask] != 0).sum() > 0.5 * mask.sum() for name, mask in masks.items())

    steps = []

    def look(module: nn.Module, _: Any) -> None:
        parameters = parameters_of(module)
        assert all(not parameters[name][mask].any() for name, mask in masks.items())
        steps.append(module.training)

    model.register_forward_pre_hook(look)
    before = snapshot(model)
    for _ in run(model, recipe(**options), removed=masks):
        for name, mask in masks.items():
            weight = model.state_dict()[name]
            assert not weight[mask].any()
            assert not weight[mask].signbit().any()
            assert (weight[~mask] != before[name][~mask]).float().mean() > 0.9
    assert sum(steps) == 2 * 6  # batches of 16 of 90 samples


def test_momentum_of_the_dense_weight_does_not_revive_it():
    """A weight that is removed on the way leaves its momentum behind, which would move it for some steps more."""
    model = network()
    removed = {"fc.weight": torch.zeros_like(model.fc.weight, dtype=torch.bool)}
    masking = Masking(parameters_of(model), removed, [Ramp(("fc.weight",), {5: 400})])
    seen = []

    def momenta(optimiser: torch.optim.Optimizer, *_: Any) -> None:
        for weight in optimiser.param_groups[0]["params"]:
            if weight.shape == model.fc.weight.shape:
                seen.append(optimiser.state[weight]["momentum_buffer"][removed["fc.weight"]].abs())

    hook = register_optimizer_step_post_hook(momenta)
    try:
        list(Training(model, Setup(spec(), data(), recipe(momentum=0.9, weight_decay=0.1), 0), masking=masking).run())
    finally:
        hook.remove()
    assert [len(found) for found in seen] == [0] * 5 + [400] * 7
    assert all(found.count_nonzero() > 300 for found in seen[5:])
    assert not model.fc.weight[removed["fc.weight"]].any()


@pytest.mark.slow
@pytest.mark.parametrize("opt", slow_but(["sgd", "adam"], "adam"))
@pytest.mark.parametrize("only", [["fc.weight"], ["conv.weight"], ["conv.weight", "fc.weight"]])
def test_only_the_named_parameters_move(opt, only):
    model = network()
    list(run(model, recipe(), removed={}))  # statistics that are not those of a new network
    before = snapshot(model)
    list(run(model, recipe(opt=opt, weight_decay=0.1), only=only))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) == (name not in only), name


def test_everything_moves_otherwise_also_after_a_frozen_run():
    model = network()
    list(run(model, recipe(epochs=1), only=["fc.weight"]))
    before = snapshot(model)
    list(run(model, recipe(epochs=1)))
    assert not any(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_history_says_what_happened():
    model, how = network(), recipe(epochs=5, eval_every=2, sched="linear")
    entries = list(run(model, how))
    assert [entry["epoch"] for entry in entries] == [1, 2, 3, 4, 5]
    assert ["test" in entry for entry in entries] == [False, True, False, True, True]
    assert [entry["lr"] for entry in entries] == pytest.approx([0.05, 0.04, 0.03, 0.02, 0.01])
    assert {split: entries[-1][split] for split in ("train", "test")} == evaluate(Forward(model, spec()), data(), 16)
    assert all(entry["running"]["loss"] > 0 for entry in entries)
    assert list(run(model, recipe(epochs=0))) == []


@pytest.mark.slow
def test_a_network_learns():
    entries = list(run(network(), recipe(epochs=8, batch_size=8)))
    assert entries[-1]["train"]["loss"] < 0.5 * entries[0]["running"]["loss"]
    assert entries[-1]["train"]["accuracy"] > 60


def test_the_seed_decides_the_weights():
    def weights(seed: int) -> dict[str, torch.Tensor]:
        model = network()
        list(run(model, recipe(augment="crop:padding=1,flip"), seed=seed))
        return snapshot(model)

    first, again, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["fc.weight"], other["fc.weight"])


@pytest.mark.parametrize("opt", ["sgd", "adam"])
def test_a_loss_that_is_not_finite_stops_the_run(opt):
    with pytest.raises(ApcliError, match=r"no longer finite in epoch 1, step 2 of 6: try a smaller --lr than 1e\+30"):
        list(run(network(), recipe(lr=1e30, opt=opt)))


def test_a_network_spoilt_by_its_last_step_has_no_loss():
    """One step an epoch: its own loss was taken before the step that spoilt the weights."""
    model = network()
    with suppress(ApcliError):
        (entry,) = run(model, recipe(epochs=1, lr=1e38, batch_size=1000, weight_decay=1e3))
        assert entry["test"]["loss"] is None
    assert not model.fc.weight.isfinite().all()


def test_an_output_that_is_no_logits_is_named():
    for outputs in (CLASSES - 1, CLASSES + 1):
        with pytest.raises(
            ApcliError, match=rf"output of shape \(\d+, {outputs}\): expected logits, \(\d+, {CLASSES}\)"
        ):
            evaluate(Forward(network(classes=outputs), spec()), data(), 16)


def test_a_last_batch_of_one_image_is_a_step_like_any_other_unless_batch_norm_cannot_take_it():
    model = network()
    (entry,) = run(model, recipe(epochs=1, batch_size=89))
    assert entry["running"]["loss"] > 0
    flat = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, CLASSES))
    with pytest.raises(
        UsageError, match=r"--batch-size 89: Expected more than 1 value per channel .*: choose another size"
    ):
        list(run(flat, recipe(epochs=1, batch_size=89)))


def test_tied_weights_are_held_under_each_name():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fc = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, CLASSES)
            self.b.weight = self.a.weight

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.fc(self.b(self.a(images.flatten(1)).relu()).relu())

    torch.manual_seed(0)
    model = Tied()
    mask = torch.arange(256).reshape(16, 16) % 3 == 0
    list(run(model, recipe(), removed={"b.weight": mask}, only=["b.weight", "fc.weight"]))
    assert torch.equal(model.a.weight, model.b.weight)
    assert not model.a.weight[mask].any()
    assert set(parameters_of(model)) >= {"a.weight", "b.weight"}


@pytest.mark.parametrize("options", [{"opt": "sgd:nesterov=1", "momentum": 0.0}])
def test_what_torch_refuses_is_told_with_the_option(options):
    with pytest.raises(UsageError, match=f"--opt {options['opt']} with --lr 0.05: "):
        list(run(network(), recipe(**options)))
