"""Training losses: cross-entropy, with label smoothing, mixed images, or a teacher beside the labels."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from apcli.libraries import library
from apcli.training.recipe import Recipe


def loss_of(logits: Tensor, targets: Tensor, recipe: Recipe, teacher: Tensor | None = None) -> Tensor:
    """The sum of a batch's losses in nats, computed in float32 whatever the type of the logits.

    (1 - a) cross-entropy + a T^2 KL(teacher || student), both softened by the temperature T, with a = ``distill``
    (Hinton et al. 2015, arXiv:1503.02531, section 2); without a teacher, the cross-entropy alone. Label smoothing
    gives the share ``label_smoothing`` of a label to all classes evenly (Szegedy et al. 2016, arXiv:1512.00567,
    section 7).

    Args:
        logits: [B, C].
        targets: classes, int64 [B], or shares of them, float [B, C].
        teacher: the teacher's logits, [B, C].
    """
    logits = logits.float()
    loss = F.cross_entropy(logits, targets, reduction="sum", label_smoothing=recipe.label_smoothing)
    if teacher is None:
        return loss
    assert recipe.distill is not None
    assert recipe.temperature is not None
    softened, theirs = ((scores.float() / recipe.temperature).log_softmax(1) for scores in (logits, teacher))
    divergence = F.kl_div(softened, theirs, reduction="sum", log_target=True)
    return (1 - recipe.distill) * loss + recipe.distill * recipe.temperature**2 * divergence


def mixing_of(recipe: Recipe, classes: int) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None:
    """torchvision's mixup or cutmix, one of them by a fair coin if both are on; None if neither is.

    They draw from torch's global generator. Sources: Zhang et al. 2018, arXiv:1710.09412; Yun et al. 2019,
    arXiv:1905.04899.
    """
    asked = {"MixUp": recipe.mixup, "CutMix": recipe.cutmix}
    if not any(asked.values()):
        return None
    transforms = library("torchvision.transforms.v2")
    chosen = [getattr(transforms, name)(alpha=alpha, num_classes=classes) for name, alpha in asked.items() if alpha]

    def mix(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        which = int(torch.randint(len(chosen), ())) if len(chosen) > 1 else 0
        mixed, shares = chosen[which](images, labels)
        return mixed, shares

    return mix
