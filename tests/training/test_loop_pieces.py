"""A batch in pieces is the batch at once, where no layer looks at the images of a batch together."""

from typing import Any

import pytest
import torch
from marked import slow
from tiny_training import CLASSES, data, network, recipe, snapshot, spec
from torch import nn

from apcli.errors import UsageError
from apcli.training.loop import Setup, Training
from apcli.training.masking import Masking
from apcli.training.optim.parameters import parameters_of
from apcli.training.processes import Processes


def flat() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, CLASSES))


def trained(model: nn.Module, **options: Any) -> tuple[dict[str, torch.Tensor], list[Any]]:
    mask = {"1.weight": torch.arange(192).view(12, 16) % 3 == 0} if isinstance(model, nn.Sequential) else {}
    teacher = flat() if options.get("teacher") else None
    setup = Setup(spec(), data(), recipe(**options), 0, None, teacher)
    training = Training(model, setup, masking=Masking(parameters_of(model), mask))
    history = list(training.run())
    for name, removed in mask.items():
        assert not parameters_of(model)[name][removed].any()
    return snapshot(model), history


@pytest.mark.parametrize("pieces", [2, 3, 64])
@pytest.mark.parametrize(
    "options",
    [
        {},
        slow({"opt": "adam", "clip_grad": 0.1, "weight_decay": 0.01, "lr": 0.01}),
        slow({"mixup": 0.4, "cutmix": 1.0, "label_smoothing": 0.1, "augment": "crop:padding=1,flip"}),
        slow({"teacher": "t", "ema": 0.5}),
    ],
)
def test_it_is_the_same_step(options, pieces):
    """Of 90 images in batches of 16 the last has 10, for more pieces than which there are no images."""
    whole, history = trained(flat(), **options)
    parts, same = trained(flat(), accumulate=pieces, **options)
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=0, atol=1e-6)
    for entry, other in zip(history, same, strict=True):
        assert other["running"] == pytest.approx(entry["running"], abs=1e-5)
        assert other["test"] == pytest.approx(entry["test"], abs=1e-5)


def test_less_is_computed_at_a_time(monkeypatch):
    sizes = []
    model = flat()
    model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])) if module.training else None)
    trained(model, accumulate=3, epochs=1)
    assert sizes == [6, 5, 5] * 5 + [4, 3, 3]


def test_batch_norm_sees_each_piece_and_refuses_one_image():
    whole, _ = trained(network())
    parts, _ = trained(network(), accumulate=2)
    assert parts["norm.num_batches_tracked"] == 2 * whole["norm.num_batches_tracked"]
    assert not torch.allclose(parts["norm.running_var"], whole["norm.running_var"], atol=1e-6)
    normed = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, CLASSES))
    with pytest.raises(UsageError, match=r"--batch-size 16 in 16 parts: Expected more than 1 value .*: choose another"):
        list(Training(normed, Setup(spec(), data(), recipe(accumulate=16), 0)).run())


@pytest.mark.parametrize(
    ("images", "size", "wanted", "pieces"), [(16, 1, 4, 4), (3, 1, 4, 3), (9, 2, 4, 4), (7, 2, 4, 3), (1, 2, 4, 1)]
)
def test_all_processes_have_as_many_pieces_and_none_is_empty(images, size, wanted, pieces):
    batch = torch.arange(images)
    processes = [Processes(rank, size) for rank in range(size)]
    assert {process.pieces(batch, wanted) for process in processes} == {pieces}
    assert all(len(piece) for process in processes for piece in process.part(batch).tensor_split(pieces))
