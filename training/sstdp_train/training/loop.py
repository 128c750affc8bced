"""The training loop: epochs over encoded images, validation, checkpoints, divergence.

Everything random in epoch n comes from a generator seeded with (seed, n), so a run that was
interrupted and resumed sees the same batches and distortions as one that was not, and ends at the
same weights, bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.layers import Array

from ..network.layers import DenseIF, SpikingNetwork, decide
from ..network.normalized import NormalizedNetwork
from ..network.pruning import is_over, share_kept, survivors
from ..recipes.recipe import Recipe
from .augmentation import augmented
from .loss import loss_of
from .ranks import Ranks

EVALUATION_BATCH = 500
BEST_PARTS = ("epoch", "validation_accuracy", "network")
HISTORY_PARTS = (
    "epoch", "loss", "train_accuracy", "decision_time", "silent_share", "firing",
    "validation_accuracy", "learning_rate", "seconds",
)  # fmt: skip
CHECK_EVERY = 50  # batches between looks at the loss; each look waits for a GPU


def generator_of(seed: int, *purpose: int) -> torch.Generator:
    """A CPU generator of its own for every purpose (0: setting up; n: epoch n; n, r: what process
    r distorts in it)."""
    state = np.random.SeedSequence([seed, *purpose]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state))


def split(count: int, share: float, seed: int) -> tuple[Array, Array]:
    """Indices of training and validation images, each sorted."""
    order = np.random.default_rng([seed, 0]).permutation(count)
    held_back = round(count * share)
    return np.sort(order[held_back:]), np.sort(order[:held_back])


def encode(table: Tensor, images: Tensor) -> Tensor:
    """Flat input spike times uint8 [batch, inputs] of images uint8 [batch, C, H, W].

    With planes, channel c of an image becomes the channels ``c * planes + plane``.
    """
    chosen = images.flatten().to(torch.int32)
    if table.dim() == 1:
        return table.index_select(0, chosen).view(len(images), -1)
    planes = torch.stack([of_plane.index_select(0, chosen) for of_plane in table])
    apart = planes.view(len(table), *images.shape[:2], -1)
    return apart.permute(1, 2, 0, 3).flatten(1)


@dataclass
class Training:
    """One training in progress.

    Parameters
    ----------
    network : SpikingNetwork
    recipe : Recipe
    table : uint8 [256] or [planes, 256]
        The encoder; a resumed training goes on with that of its checkpoint.
    images, labels, validation_images, validation_labels : Tensor
        uint8 [N, C, H, W] and int64 [N], on the network's device.
    ranks : Ranks
        The processes that share the training; all hold the same network and images.

    Members
    -------
    history : list of dict
        One entry per finished epoch.
    best : dict
        Epoch, validation accuracy and state of the network to export.
    """

    network: SpikingNetwork | NormalizedNetwork
    recipe: Recipe
    table: Tensor
    images: Tensor
    labels: Tensor
    validation_images: Tensor
    validation_labels: Tensor
    ranks: Ranks = field(default_factory=Ranks)
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        trained = [entry for entry in self.network.parameters() if entry.requires_grad]
        if self.recipe.optimizer == "adam":
            self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
                trained, lr=self.recipe.learning_rate, weight_decay=self.recipe.weight_decay,
                fused=True,
            )  # fmt: skip
        else:
            self.optimizer = torch.optim.SGD(
                trained, lr=self.recipe.learning_rate, weight_decay=self.recipe.weight_decay,
                fused=True,
            )  # fmt: skip
        self.trained = trained
        self.batches = math.ceil(len(self.labels) / self.recipe.batch_size)
        self.pruned = self._is_pruned()
        self.average: AveragedModel | None = None
        if self.recipe.averaging:
            decay = math.exp(-1 / (self.recipe.averaging * self.batches))
            self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(decay))

    @property
    def result(self) -> SpikingNetwork | NormalizedNetwork:
        """The network that is validated and exported: the running mean, or the one that learns."""
        return self.network if self.average is None else self.average.module

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return len(self.history)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of this training."""
        return {
            "epoch": self.epoch,
            "encoder": self.table,
            "network": self.network.state_dict(),
            "average": {} if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "history": self.history,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`.

        Raises
        ------
        KeyError, TypeError, ValueError, RuntimeError
            If the state does not fit this training.
        """
        self.network.load_state_dict(state["best"]["network"])  # only to see that it fits
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        if "encoder" in state:  # the first checkpoints had none
            self.table.copy_(state["encoder"])
        self.best = {name: state["best"][name] for name in BEST_PARTS}
        self.history = [{name: entry[name] for name in HISTORY_PARTS} for entry in state["history"]]

    def encode(self, images: Tensor) -> Tensor:
        """Images to flat input spike times: uint8 [batch, inputs]. Pruned pixels are silent."""
        times = encode(self.table, images)
        if self.pruned:
            times.masked_fill_(~self.network.layers[0].kept, self.recipe.t_max)
        return times

    def run_epoch(self, advance: Callable[[int], None]) -> dict[str, Any]:
        """Train one epoch, validate, and return its entry of the history.

        Raises
        ------
        UserError
            If the loss or a weight is not finite, or a layer stayed silent for the whole epoch.
        """
        start = time.monotonic()
        recipe = self.recipe
        generator = generator_of(recipe.seed, self.epoch + 1)
        order = torch.randperm(len(self.labels), generator=generator).to(self.labels.device)
        if not self.ranks.alone:
            generator = generator_of(recipe.seed, self.epoch + 1, self.ranks.number)
        tally = _Tally(len(self.network.layers), recipe.t_max, self.labels.device)
        if recipe.pruning:
            self._prune()
        self.pruned = self._is_pruned()
        self.network.train()
        for number, chosen in enumerate(order.split(recipe.batch_size)):
            self._set_learning_rate(number)
            mine, counts = self.ranks.share(chosen)
            images, labels = self.images[mine], self.labels[mine]
            if recipe.augments:
                images = augmented(images, recipe, generator)
            times, margin = self.network(self.encode(images), recipe.loss == "decision")
            loss = loss_of(recipe, times[-1], margin, labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.ranks.average(self._shared(), counts * len(mine) / len(chosen))
            self.optimizer.step()
            if self.pruned:
                self.network.layers[0].prune()
            if self.average is not None:
                self._take_the_mean()
            firing = self.network.firing(times)
            tally.add(loss.detach(), times[-1], margin.detach(), labels, firing, counts)
            if number % CHECK_EVERY == 0 or number == self.batches - 1:
                self._refuse_divergence(float(loss.detach()))
            advance(len(chosen))
        self._remeasure()
        self.ranks.add_up(tally.sums)
        entry = {"epoch": self.epoch + 1, **tally.means(), "validation_accuracy": self._validate()}
        entry["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        entry["seconds"] = round(time.monotonic() - start, 3)
        self._refuse_divergence(entry["loss"])
        self._refuse_overflow()
        self._refuse_silence(entry["firing"])
        self.history.append(entry)
        self._keep_best(entry)
        return entry

    def _shared(self) -> list[Tensor]:
        """What processes average: gradients, and numbers that follow batches."""
        gradients = [entry.grad for entry in self.trained if entry.grad is not None]
        return [*gradients, *(part for part in self.network.buffers() if part.is_floating_point())]

    def _remeasure(self) -> None:
        """Running means lag behind the weights, and hold the noise of the last batches."""
        if self.recipe.remeasured and isinstance(self.result, NormalizedNetwork):
            self.result.measure(self.encode(self.images[: self.recipe.remeasured]))

    def _take_the_mean(self) -> None:
        assert self.average is not None
        self.average.update_parameters(self.network)
        if self.pruned:
            self.result.layers[0].prune()

    def _is_pruned(self) -> bool:
        """Looked at once an epoch, for a look waits for a GPU."""
        first = self.network.layers[0]
        return isinstance(first, DenseIF) and not bool(first.kept.all())

    def _prune(self) -> None:
        layer, recipe = self.network.layers[0], self.recipe
        share = share_kept(1 - recipe.pruning, self.epoch, recipe.epochs)
        layer.kept.copy_(survivors(layer.weight, layer.kept, self.rates, share))
        layer.prune()

    @cached_property
    def rates(self) -> Tensor:
        """Spikes per training image of every pixel, as the encoder has them: float32 [pixels]."""
        counts = torch.zeros(self.images[0].numel(), device=self.images.device)
        for batch in self.images.split(EVALUATION_BATCH):
            times = self.table[batch.to(torch.int64)].flatten(1)
            counts += (times < self.recipe.t_max).sum(0)
        return counts / len(self.images)

    def _set_learning_rate(self, batch: int) -> None:
        rate = self.recipe.learning_rate
        if self.recipe.schedule == "cosine":
            done = (self.epoch * self.batches + batch) / (self.recipe.epochs * self.batches)
            rate *= 0.5 * (1 + math.cos(math.pi * done))
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _validate(self) -> float | None:
        if not len(self.validation_labels):
            return None
        images, labels = (
            part.tensor_split(self.ranks.count)[self.ranks.number]
            for part in (self.validation_images, self.validation_labels)
        )
        right = (self.classify(images) == labels).sum() if len(labels) else labels.sum()
        return int(self.ranks.add_up(right)) / len(self.validation_labels)

    @torch.no_grad()
    def classify(self, images: Tensor) -> Tensor:
        """Classes of images [N, C, H, W] by rule 6."""
        network = self.result.eval()
        found = []
        for batch in images.split(EVALUATION_BATCH):
            times, margin = network(self.encode(batch))
            found.append(decide(times[-1], margin, self.recipe.t_max)[0])
        return torch.cat(found)

    def _keep_best(self, entry: dict[str, Any]) -> None:
        """Remember the state to export; among equally good epochs the later one, trained longer.

        While pixels are pruned, the last one: those before it are of a network that costs more.
        """
        accuracy, recipe = entry["validation_accuracy"], self.recipe
        if (
            not self.best
            or recipe.choose == "last"
            or accuracy is None
            or (recipe.pruning and not is_over(self.epoch - 1, recipe.epochs))
            or accuracy >= self.best["validation_accuracy"]
        ):
            self.best = {
                "epoch": entry["epoch"],
                "validation_accuracy": accuracy,
                "network": deepcopy(self.result.state_dict()),
            }

    def _refuse_divergence(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise UserError(
                f"Training diverged in epoch {self.epoch + 1}: the loss must be finite, not "
                f"{loss}; lower --learning-rate ({self.recipe.learning_rate:g})"
            )

    def _refuse_overflow(self) -> None:
        """The loss may be finite on weights that are not: where all are NaN no neuron fires."""
        for name, values in self.network.named_parameters():
            if not bool(values.isfinite().all()):
                raise UserError(
                    f"Training diverged in epoch {self.epoch + 1}: {name} must be finite, and is "
                    f"not; lower --learning-rate ({self.recipe.learning_rate:g})"
                )

    def _refuse_silence(self, firing: list[float]) -> None:
        """A layer that never fires sends nothing on. Outputs may be silent under the loss at the
        decision, which gives their potentials an error."""
        outputs = len(firing) - 1
        for index, share in enumerate(firing):
            if share == 0 and (index < outputs or self.recipe.loss != "decision"):
                raise UserError(
                    f"Training diverged in epoch {self.epoch + 1}: layer {index + 1} of "
                    f"{len(firing)} must fire, and all its neurons stayed silent on every image; "
                    f"lower --learning-rate ({self.recipe.learning_rate:g}) or raise its drive"
                )


class _Tally:
    """Sums over an epoch, kept on the device so that no batch waits for them."""

    def __init__(self, layers: int, t_max: int, device: torch.device) -> None:
        self.t_max = t_max
        self.sums = torch.zeros(5 + layers, dtype=torch.float64, device=device)

    @torch.no_grad()
    def add(
        self, loss: Tensor, times: Tensor, margin: Tensor, labels: Tensor, firing: list[Tensor],
        counts: float,
    ) -> None:  # fmt: skip
        """``counts`` is what each image counts."""
        classes, decision = decide(times, margin, self.t_max)
        count = len(labels)
        self.sums += counts * torch.stack(
            [
                torch.full_like(loss, count),
                loss * count,
                (classes == labels).sum(),
                decision.sum(),
                (decision == self.t_max).sum(),
                *(share * count for share in firing),
            ]
        )

    def means(self) -> dict[str, Any]:
        loss, accuracy, decision, silent, *firing = (self.sums[1:] / self.sums[0]).tolist()
        return {
            "loss": loss,
            "train_accuracy": accuracy,
            "decision_time": decision,
            "silent_share": silent,
            "firing": firing,
        }
