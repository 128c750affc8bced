# %% [markdown]
# # A network of your own from numpy
#
# The weights are templates: what an image of a class has more of than others.

# %%
import numpy as np

from sstdp_hw import evaluate, from_arrays
from sstdp_hw.data import datasets

# %%
train, test = datasets.load("digits", "train"), datasets.load("digits")
pixels = train.images.reshape(len(train), -1) / 255.0
means = np.stack([pixels[train.labels == digit].mean(axis=0) for digit in range(10)])
weights = means - means.mean(axis=0)  # [out, in]

# %% [markdown]
# Floats become integers of 5 bits here.

# %%
network = from_arrays(
    [weights], thresholds=[1.5], t_max=8, cutoff=32, input_shape=(1, 8, 8), weight_width=5
)
network.save("templates.safetensors")

# %%
result = evaluate(network, test)
print(f"{result.accuracy:.1%} with {result.additions:.0f} additions per image")
