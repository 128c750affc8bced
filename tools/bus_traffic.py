"""Random traffic on accelerators behind each bus, judged by the reference; nothing may be lost.

    python tools/bus_traffic.py --transactions 100000

So many accesses on each bus, shared among accelerators of every kind: streaming and sequential,
pixels in beats of each width, events, weights of two networks in an external memory, which fails
where images share a fetch. Ends with status 1 if anything is found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from sstdp_hw import Configuration, Network, encode
from sstdp_hw.blocks.hardware import BUSES
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_rtl.generator.generate import generate
from sstdp_sim.bus.check import Outside, play_random, with_other_weights

SAMPLES = 200
NETWORK = "ready:digits-64-64-10-4bit"
#: Of each bus: the configuration, whether the input is events, and how many bursts fail.
KINDS = (
    (Configuration((16, 10)), False, 0.0),
    (Configuration((16, 10), 8), False, 0.0),
    (Configuration((8,), 2, architecture="sequential"), False, 0.0),
    (Configuration((16, 10), early_exit=False), True, 0.0),
    (
        Configuration(
            (16,), 4, architecture="sequential", weights="external", memory_width=64,
            base_address=0x4000_3000,
        ),
        False,
        0.0,
    ),
    (
        Configuration(
            (16,), 1, architecture="sequential", weights="external", memory_width=128, batch=3,
        ),
        False,
        0.1,
    ),
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transactions", type=int, default=100_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    network = Network.load(NETWORK)
    rng = np.random.default_rng(options.seed)
    shape = (SAMPLES, *network.input_shape)
    lit = rng.random(shape) < rng.random((SAMPLES, 1, 1, 1))  # from dark images to full ones
    images = np.where(lit, rng.integers(0, 256, shape), 0).astype(np.uint8)
    wrong = False
    for bus in BUSES:
        total: Counter[str] = Counter()
        findings: list[str] = []
        for number, (configuration, events, fails) in enumerate(KINDS):
            used = replace(network, encoder=None) if events else network
            samples = encode(network, images) if events else images
            with tempfile.TemporaryDirectory(prefix="sstdp-hw-") as name:
                folder = Path(name) / "accelerator"
                generate(used, replace(configuration, bus=bus), folder)
                share = -(-options.transactions // len(KINDS))
                outside = Outside([used, with_other_weights(used, options.seed)], fails=fails)
                directory = GeneratedDirectory.load(folder)
                found = play_random(
                    directory, samples, share, seed=options.seed + number,
                    outside=outside if directory.external else None,
                )  # fmt: skip
            total.update(found["counts"])
            total.update({name: found[name] for name in ("packets", "answers", "flagged")})
            findings += found["findings"]
        print(
            f"{bus}: {', '.join(f'{value:,} {name}' for name, value in total.items())}; "
            f"{len(findings)} findings",
            flush=True,
        )
        for finding in findings:
            print(f"  {finding}")
        wrong |= bool(findings)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
