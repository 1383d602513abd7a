"""The only training loop."""

import logging
import math
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, NoReturn

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import clip_grad_norm_

from apcli.checkpoints.promises import Json
from apcli.data.batches import feed
from apcli.data.datasets import Dataset
from apcli.errors import ApcliError, UsageError
from apcli.models.spec import ModelSpec
from apcli.progress import Pace
from apcli.training.captured import Captured
from apcli.training.draws import order_of, seed_of
from apcli.training.evaluation import Tally, evaluate
from apcli.training.forward import Forward
from apcli.training.interrupts import Interrupts, held_back
from apcli.training.masking import Masking
from apcli.training.optim.averages import Average
from apcli.training.optim.l1 import L1Penalty
from apcli.training.optim.losses import loss_of, mixing_of
from apcli.training.optim.optimisers import load_, optimiser_of
from apcli.training.optim.parameters import learn_, learns_in_part, parameters_of, training_mode_
from apcli.training.optim.rates import Rates
from apcli.training.processes import Processes
from apcli.training.recalibration import settle_
from apcli.training.recipe import Recipe
from apcli.training.resume import Resume, State

log = logging.getLogger("apcli")

_CHECK_EVERY = 100  # steps on CUDA between two checks that the loss is finite: each waits for the device


class Diverged(ApcliError):
    """The loss is no longer finite; ``good`` holds the weights after the last complete epoch, None in the first."""

    def __init__(self, sentence: str, good: dict[str, Tensor] | None) -> None:
        super().__init__(sentence)
        self.good = good


@dataclass(frozen=True)
class Setup:
    """The inputs of a training, besides the network.

    Attributes:
        seed: determines the order of samples, the augmentations, and the draws of dropout and mixing.
        only: the parameters to update; everything else, batch-norm statistics included, stays unchanged, and its
            gradients are not computed.
        teacher: a network whose outputs are learnt too.
        traced: the tensors whose values ``Training.snapshots`` keeps for every epoch.
    """

    spec: ModelSpec
    dataset: Dataset
    recipe: Recipe
    seed: int
    only: Sequence[str] | None = None
    teacher: nn.Module | None = None
    traced: Sequence[str] = ()


class Training:
    """The training of one network, from its first step or resumed.

    After every optimiser step the removed weights are set to zero again: even with zero gradients, a step can revive
    them through momentum or decay in the optimiser's state.

    Args:
        network: on its device; trained in place.
        masking: the weights to keep at zero; None: none.
        resume: the file of the saved state.

    Attributes:
        history: an entry for every completed epoch.
        snapshots: the traced tensors' values, by epoch and name.
        evaluated: the network that is measured and returned: the moving average if there is one.
    """

    def __init__(
        self,
        network: nn.Module,
        setup: Setup,
        *,
        masking: Masking | None = None,
        resume: Resume | None = None,
        processes: Processes | None = None,
        pace: Pace | None = None,
    ) -> None:
        spec, dataset, recipe, teacher = setup.spec, setup.dataset, setup.recipe, setup.teacher
        self.network, self.spec, self.dataset, self.recipe, self.seed = network, spec, dataset, recipe, setup.seed
        self.masking = masking or Masking({}, {})
        self.processes = processes or Processes()
        self.history: list[Json] = []
        self.snapshots: dict[int, dict[str, Tensor]] = {}
        self._frozen, self._traced = setup.only is not None, setup.traced
        self.resume, self._pace = resume or Resume(None, {}), pace or Pace()
        self._batches = math.ceil(len(dataset.train) / recipe.batch_size)
        self._done = 0  # batches of the current epoch
        self._best: tuple[float, int, dict[str, Tensor] | None] = (math.inf, 0, None)
        learn_(network, setup.only)
        self._forward = Forward(network, spec, amp=recipe.amp, through=self._through)
        self._teacher = None if teacher is None else Forward(teacher.eval().requires_grad_(False), spec, amp=recipe.amp)
        self._average = None if recipe.ema is None else Average(network, recipe.ema)
        self.evaluated = Forward(self._average.network if self._average else network, spec)
        self._mix = mixing_of(recipe, spec.num_classes)
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        whole_step = self._forward.device.type == "cuda" and self.processes.size == 1
        self._optimiser, self._captures = optimiser_of(network, recipe, captured=whole_step)
        if self._forward.device.type == "cuda" and recipe.cuda_graph and not self._captures:
            why = (recipe.obstacle or f"--opt {recipe.opt.name}") if whole_step else "training by several processes"
            log.info("%s cannot be captured in a CUDA graph: steps run uncaptured, which is slower", why)
        self._penalty = L1Penalty(network, self._optimiser, recipe)
        self._rates = Rates(self._optimiser, recipe, self._batches)
        self._tally = Tally(spec.num_classes, self._forward.device)
        self._lost_at = torch.tensor([-1, 0], device=self._forward.device)  # first step whose loss is not finite; steps
        self._share, self._pieces = 0.0, 1
        self._good: dict[str, Tensor] | None = None
        if state := self.resume.state:
            self._load(state)

    @property
    def epoch(self) -> int:
        """The number of completed epochs."""
        return len(self.history)

    def run(self) -> Iterator[Json]:
        """Train to the end, yielding each epoch's entry of the history; a signal to end is held back to save the state.

        Raises:
            Diverged: the loss is no longer finite.
        """
        learn = Captured(self._step, enabled=self._captures and self.recipe.cuda_graph)  # frees its memory after
        with held_back() as interrupts, self.resume.kept(self.save, alone=self.processes.size == 1):
            while self.epoch < self.recipe.epochs and not self._is_stale():
                if not self._run_epoch(learn, interrupts):
                    return
                yield self._close_epoch()
                if self._is_due() and self.epoch < self.recipe.epochs:
                    self.save()
                if self._is_stopped(interrupts):
                    return
        self._keep_best()

    def _run_epoch(self, learn: Captured, interrupts: Interrupts) -> bool:
        """Run the epoch's remaining steps; return False if a signal stopped it, after saving the state."""
        recipe, train = self.recipe, self.dataset.train
        training_mode_(self.network, frozen=self._frozen)
        order = order_of(len(train), self.seed, self.epoch).split(recipe.batch_size)[self._done :]
        mine = [self.processes.part(batch) for batch in order]
        fed = feed(train, mine, self.spec.scaling, augment=recipe.augment, draws=self._draws())
        for batch, (pixels, labels) in zip(order, fed, strict=True):
            step = self._steps
            self.masking.before_step()
            self._rates.before_step(step)
            torch.manual_seed(seed_of("step", self.seed, step, self.processes.rank))  # of dropout and mixing
            images, targets = (pixels, labels) if self._mix is None else self._mix(pixels, labels)
            self._share, self._pieces = self.processes.share(batch), self.processes.pieces(batch, recipe.accumulate)
            learn(images, targets, labels)
            self._rates.after_step()
            self._done += 1
            self._pace.step(self.epoch, self._done / self._batches, len(batch), self._tally.numbers)
            self._check_now_and_then()
            if self._done < self._batches:  # otherwise the epoch is closed first
                if self._is_due():
                    self.save()
                if self._is_stopped(interrupts):
                    return False
        return True

    def _step(self, images: Tensor, targets: Tensor, labels: Tensor) -> None:
        """Forward, backward, optimiser, mask, without waiting for the device."""
        self._optimiser.zero_grad()
        pieces = [whole.tensor_split(self._pieces) for whole in (images, targets, labels)]
        losses = [self._learn_from(*piece) for piece in zip(*pieces, strict=True)]
        self._penalty.after_gradients()
        self.masking.after_gradients()
        if self.recipe.clip_grad is not None:
            clip_grad_norm_(self._parameters, self.recipe.clip_grad)
        self._optimiser.step()
        self._penalty.after_step()
        self.masking.hold()
        if self._average is not None:
            self._average.update()
            averages = parameters_of(self._average.network)
            self._penalty.hold(averages)
            self.masking.hold(averages)
        self._note(torch.stack(losses).sum())

    def _learn_from(self, images: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """Add the gradients of a piece of the batch; returns its part of the loss."""
        recipe = self.recipe
        try:
            logits = self._forward(images)
        except ValueError as error:  # a batch norm gets a single value per channel
            pieces = f" in {self._pieces} parts" if self._pieces > 1 else ""
            raise UsageError(f"--batch-size {recipe.batch_size}{pieces}: {error}: choose another size") from None
        with torch.no_grad():
            taught = None if self._teacher is None else self._teacher(images)
        loss = loss_of(logits, targets, recipe, taught) * self._share
        loss.backward()
        if self._share:  # otherwise the image only lets this process take part
            self._tally.add(logits.detach(), labels)
        return loss.detach()

    @torch.no_grad()
    def _note(self, loss: Tensor) -> None:
        """Record the first step whose loss is not finite."""
        first, steps = self._lost_at.unbind()
        first.copy_(torch.where((first < 0) & ~loss.isfinite(), steps, first))
        steps.add_(1)

    def _check_now_and_then(self) -> None:
        """Raise Diverged if the loss is no longer finite; checked rarely on CUDA, where each check takes time."""
        if self._forward.device.type == "cpu" or self._done == self._batches or self._done % _CHECK_EVERY == 0:
            self._check_finite()

    def _check_finite(self) -> None:
        first, steps = self._lost_at.tolist()
        back = steps - first if first >= 0 else 0
        if self.processes.any(back > 0):
            self._diverged(self._steps - max(back, 1))

    def _diverged(self, step: int) -> NoReturn:
        epoch, within = divmod(step, self._batches)
        raise Diverged(
            f"the loss is no longer finite in epoch {epoch + 1}, step {within + 1} of {self._batches}: try a smaller "
            f"--lr than {self._rates.now:g}, or --clip-grad 1",
            self._good,
        )

    def _close_epoch(self) -> Json:
        """Evaluate the network and complete the epoch's entry of the history."""
        running = self._tally.metrics(self.processes)
        if running["loss"] is None:
            self._diverged(self._steps - 1)
        epoch = self.epoch + 1
        self._pace.say("evaluating")
        entry: dict[str, Any] = {"epoch": epoch, "lr": self._rates.now, "running": running}
        if self._average is not None and not self._frozen:
            settle_(self.evaluated, self.dataset, self.recipe.batch_size, self.seed)
        self.processes.same_(self.evaluated.network)
        if epoch % self.recipe.eval_every == 0 or epoch == self.recipe.epochs:
            recipe = self.recipe
            entry |= evaluate(self.evaluated, self.dataset, recipe.batch_size, self.processes, recipe.splits)
        loss = (entry.get("validation") or entry.get("train") or {}).get("loss")
        self._rates.after_epoch(loss)
        self.history.append(entry)
        self._done = 0
        self._tally.sums.zero_()
        state = self.evaluated.network.state_dict()
        self.snapshots[epoch] = {name: state[name].to("cpu", copy=True) for name in self._traced}
        self._good = {name: tensor.to("cpu", copy=True) for name, tensor in state.items()}
        if loss is not None and loss < self._best[0]:
            self._best = (loss, epoch, self._good if self.recipe.keep == "best" else None)
        return dict(entry)

    def _is_stale(self) -> bool:
        """Whether the last ``patience`` evaluations brought no smaller loss."""
        later = [entry for entry in self.history[self._best[1] :] if not entry.keys().isdisjoint(self.recipe.splits)]
        return self.recipe.patience is not None and len(later) >= self.recipe.patience

    def _keep_best(self) -> None:
        """With ``keep`` best, load the weights of the epoch with the smallest loss as the result."""
        _, epoch, weights = self._best
        if weights is not None:
            self.evaluated.network.load_state_dict(weights)
            log.info("keeping the weights of epoch %d of %d, which had the smallest loss", epoch, self.epoch)

    @property
    def metrics(self) -> Json | None:
        """The result's entry of the history; None before the first epoch is complete."""
        if not self.history:
            return None
        kept = self._best[1] if self._best[2] is not None else self.epoch
        return self.history[kept - 1]

    # ---- stopping and resuming

    @property
    def _steps(self) -> int:
        """The number of steps done."""
        return self.epoch * self._batches + self._done

    def _is_due(self) -> bool:
        every = round(self.resume.every * self._batches)
        return self.resume.every > 0 and self._steps % max(1, every) == 0

    def _is_stopped(self, interrupts: Interrupts) -> bool:
        """Whether this or another training process is asked to end; if so, save the state."""
        if not self.processes.any_before(interrupts.received is not None):
            return False
        interrupts.received = interrupts.received or signal.SIGTERM
        self._pace.say("saving the state to resume from")
        self.save()
        return True

    def save(self) -> None:
        """Save everything that the next step depends on.

        Raises:
            Diverged: the loss is not finite, so the state is not worth saving.
            ApcliError: the system refuses to write.
        """
        self._check_finite()
        sums = self.processes.sum_(self._tally.sums.clone())
        if not self.processes.first:
            return
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        self.resume.save(State(parts, self._done, sums, self.history, self.snapshots, self._best, self._good))

    def _load(self, state: State) -> None:
        for name, part in self._parts().items():
            if part is self._optimiser:
                load_(self._optimiser, state.parts[name])
            else:
                part.load_state_dict(state.parts[name])
        self._done, self._good, self.snapshots = state.done, state.good, state.snapshots
        if self.processes.first:  # its sums include the other processes'
            self._tally.sums.copy_(state.tally)
        self.history, self._best = state.history, state.best
        log.info("resuming after epoch %d, step %d of %d", self.epoch, self._done, self._batches)

    def _parts(self) -> dict[str, Any]:
        """The parts that have a state of their own, by name."""
        parts = {
            "network": self.network,
            "optimiser": self._optimiser,
            "rates": self._rates,
            "masking": self.masking,
            "average": self._average and self._average.network,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def _draws(self) -> Iterator[Generator]:
        """A generator for each step's augmentations."""
        generator = Generator(self.dataset.device)
        for step in count(self._steps):
            yield generator.manual_seed(seed_of("augment", self.seed, step, self.processes.rank))

    def _through(self, network: nn.Module) -> Callable[[Tensor], Any]:
        compiled: Any = torch.compile(network) if self.recipe.compile else network
        return self.processes.together(compiled, partial(learns_in_part, network, self.spec.input_size))
