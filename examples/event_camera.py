# %% [markdown]
# # Recordings of an event camera
#
# To answers without an encoder in the hardware. The recordings are made here: a bar that moves to
# the left or to the right. ATIS files hold 40 bits an event: x, y, polarity and 23 bits of
# microseconds.

# %%
from dataclasses import replace
from pathlib import Path

import numpy as np

from sstdp_hw import Configuration, evaluate, from_arrays
from sstdp_hw.data import datasets
from sstdp_rtl import generate
from sstdp_sim import Accelerator

# %%
random, size = np.random.default_rng(0), 12
for split, count in (("train", 20), ("test", 10)):
    for direction in ("left", "right"):
        folder = Path("recordings", split, direction)
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            step, y = np.nonzero(random.random((size, size)) < 0.7)
            x = step if direction == "right" else size - 1 - step
            time = step * 4000 + random.integers(0, 2000, len(step))
            order = np.argsort(time, kind="stable")
            words = x << 32 | y << 24 | 1 << 23 | time  # polarity 1: brighter
            data = words[order].astype(">u8").view(np.uint8).reshape(-1, 8)[:, 3:]
            (folder / f"{number}.bin").write_bytes(data.tobytes())

# %% [markdown]
# Recordings become the step of the first event of each pixel and polarity.

# %%
name = f"recordings:steps=8,window=48,size={size}x{size}"
train, test = datasets.load(name, "train"), datasets.load(name)
early = 8.0 - train.images.reshape(len(train), -1)  # 0 for silent inputs
means = np.stack([early[train.labels == label].mean(axis=0) for label in range(2)])
network = from_arrays(
    [means - means.mean(axis=0)], [20.0], t_max=8, input_shape=(2, size, size), weight_width=6
)
network = replace(network, encoder=None, class_names=test.class_names)  # fed with spike times
print(f"{evaluate(network, test).accuracy:.0%} of {len(test)} recordings")

# %% [markdown]
# The accelerator takes events, one a beat.

# %%
generate(network, Configuration(lanes=(2,)), "build/events")
with Accelerator("build/events") as accelerator:
    print(accelerator.predict(test.images).classes)
