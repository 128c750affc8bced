"""Quick fine-tuning for a search: one float network, with other widths, fewer pixels, other steps.

The images held back are those that the network's own training held back, wherever it did: the
split follows from its recipe. Nothing looks at them before the trial is measured, so the last epoch
is taken and not the best.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sstdp_hw.base.errors import UserError
from sstdp_hw.data.samples import Samples
from sstdp_hw.network.chain import PIXELS
from sstdp_hw.network.float_network import FloatNetwork

from ..network.pruning import survivors
from ..recipes.architecture import begins_dense, names_of
from ..recipes.recipe import Recipe, fine_tuning, recipe_for
from .job import Job
from .loop import encode, split
from .run import encoder_table, run

#: Held back where training held back nothing; its images are then not new to the network.
SHARE = 1 / 6
#: Images that tell how often a pixel spikes.
COUNTED = 2000


class QuickTuning:
    """See `sstdp_hw.search.trial.Tuning`.

    Parameters
    ----------
    network : FloatNetwork
    samples : Samples
        Training images of ``dataset``.
    dataset : str
    epochs : int
        Of each fine-tuning.

    Raises
    ------
    UserError
        If the network's recipe is damaged.
    """

    def __init__(self, network: FloatNetwork, samples: Samples, dataset: str, epochs: int) -> None:
        layers, saved = names_of(network.layers), network.provenance.get("recipe")
        if saved:
            recipe = Recipe.from_dict(saved, network.source)
        else:
            recipe = recipe_for(dataset, layers, samples.images.shape)
        asked = network.provenance.get("asked")
        same = isinstance(asked, dict) and asked.get("dataset") == dataset
        self.seen = bool(saved) and same and not recipe.validation_share
        self.recipe = recipe.with_(
            layers=layers, t_max=network.t_max, weight_widths=(), choose="last",
            validation_share=recipe.validation_share or SHARE,
        )  # fmt: skip
        self.network, self.samples, self.epochs = network, samples, epochs
        self.seed, self.dataset = recipe.seed, dataset
        trained, held_back = split(len(samples), self.recipe.validation_share, self.seed)
        if not len(held_back):
            raise UserError(
                f"Data set {samples.name}: must have images to hold back, and has {len(samples)}"
            )
        self.held_back = samples.part(held_back)
        self._trained = samples.part(trained[:COUNTED])
        of_pixels = network.input_kind == PIXELS
        self.recodes = bool(saved) and of_pixels
        self.prunes = of_pixels and begins_dense(layers) and self.recipe.normalization == "none"

    def tuned(self, weight_widths: tuple[int, ...], pruning: float, t_max: int) -> FloatNetwork:
        """Fine-tune with quantized weights.

        Raises
        ------
        UserError
            If training diverges.
        """
        init = self._coded(t_max)
        if pruning:
            init = self._pruned(init, pruning)
        recipe = fine_tuning(self.recipe.with_(t_max=t_max), weight_widths)
        recipe = recipe.with_(epochs=self.epochs)
        asked: dict[str, Any] = {"dataset": self.dataset, "test_dataset": None, "init": None}
        before = self.network.provenance.get("asked")
        if isinstance(before, dict) and before.get("dataset") == self.dataset:
            asked["test_dataset"] = before.get("test_dataset")
        with (
            tempfile.TemporaryDirectory(prefix="sstdp-search-") as name,
            contextlib.redirect_stderr(io.StringIO()),
        ):
            out = Path(name)
            run(recipe, Job(self.samples, None, out, device="cpu", init=init, asked=asked))
            return replace(FloatNetwork.load(out), source=self.network.source)

    def _coded(self, t_max: int) -> FloatNetwork:
        """The same weights, with the input coded in other steps."""
        if t_max == self.network.t_max:
            return self.network
        table = encoder_table(self.recipe.with_(t_max=t_max), self.samples)
        return replace(self.network, t_max=t_max, encoder=table)

    def _pruned(self, network: FloatNetwork, share: float) -> FloatNetwork:
        """Without the pixels of small weights that make ``share`` of the spikes; fine-tuning keeps
        what is zero."""
        index, layer = network.weighted[0]
        table = torch.from_numpy(np.array(network.encoder))
        times = encode(table, torch.from_numpy(self._trained.images))
        rates = (times < network.t_max).float().mean(0)
        weight = torch.from_numpy(layer.weight.astype(np.float32)).T
        live = torch.from_numpy(np.array(network.live_inputs))
        kept = survivors(weight, live, rates, 1 - share).numpy()
        layers = list(network.layers)
        layers[index] = replace(layer, weight=np.where(kept, layer.weight, 0))
        return replace(network, layers=tuple(layers))
