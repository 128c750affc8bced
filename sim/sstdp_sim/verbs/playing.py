"""What the subverbs of ``verify`` that play images have in common."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

import numpy as np

from sstdp_hw.base.errors import UserError
from sstdp_hw.engine.options import add_cluster
from sstdp_hw.network.layers import Array

if TYPE_CHECKING:
    from sstdp_hw.contract.directory import GeneratedDirectory


def add_played_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dataset", metavar="NAME", help="images to play (default: random ones alone)"
    )
    parser.add_argument(
        "--samples", type=int, default=100, metavar="N",
        help="images of each kind, from the data set and random (default: 100)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="of mutants, images and traffic")


def add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
        help="simulator processes at once (default: one per core)",
    )  # fmt: skip
    add_cluster(parser)


def check_at_least_one(**values: int) -> None:
    """Refuse a number below one, by its name."""
    for name, value in values.items():
        if value < 1:
            raise UserError(f"{name.capitalize()} must be at least 1, not {value}")


def check_seed(seed: int) -> None:
    if not 0 <= seed < 1 << 30:
        raise UserError(f"Seed must be between 0 and {(1 << 30) - 1}, not {seed}")


def played_images(directory: GeneratedDirectory, options: argparse.Namespace) -> Array:
    """Random images of two kinds, behind those of the data set, if there is one."""
    from sstdp_hw.data import datasets
    from sstdp_hw.reference.evaluation import check_samples

    from ..stress.stimulus import hostile_images

    random = np.random.default_rng(options.seed)
    images = hostile_images(directory.network, random, options.samples)
    if options.dataset:
        samples = datasets.load(options.dataset).first(options.samples)
        check_samples(directory.network, samples)
        images = np.concatenate([samples.images, images])
    return images
