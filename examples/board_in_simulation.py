# %% [markdown]
# # A board without a board
#
# All of a board's design in Verilator, from the pins of its serial line to the accelerator,
# behind a pseudo-terminal. The host asks it as it would ask the real one.

# %%
import numpy as np

from sstdp_hw import Configuration, from_arrays
from sstdp_hw.data import datasets
from sstdp_rtl import generate
from sstdp_sim import Accelerator

# %%
train, test = datasets.load("digits", "train"), datasets.load("digits").first(20)
pixels = train.images.reshape(len(train), -1) / 255.0
means = np.stack([pixels[train.labels == digit].mean(axis=0) for digit in range(10)])
network = from_arrays(
    [means - means.mean(axis=0)], [1.5], t_max=8, cutoff=32, input_shape=(1, 8, 8), weight_width=5
)
generate(network, Configuration(lanes=(5,)), "build/board")

# %% [markdown]
# What the reference says, and what comes back over the line. One byte of a hundred is changed, lost
# or doubled: requests and answers carry checksums, and the host asks again.

# %%
with Accelerator("build/board", on="reference") as reference:
    expected = reference.predict(test.images)
line = "sim:changed=0.004,lost=0.003,doubled=0.003,seed=7"
with Accelerator("build/board", on="board", port=line) as board:
    answers = board.predict(test.images)

# %%
same = (answers.classes == expected.classes) & (answers.decision_times == expected.decision_times)
print(f"{same.sum()} of {len(test)} answers are those of the reference")
