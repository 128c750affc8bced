# %% [markdown]
# # A network of another framework
#
# The NIR graph is made here as an exporter would write it: one layer of IF neurons that never fire
# twice.

# %%
import nir
import numpy as np

from sstdp_hw import evaluate, quantize, read_nir
from sstdp_hw.data import datasets

# %%
train, test = datasets.load("digits", "train"), datasets.load("digits")
pixels = train.images.reshape(len(train), -1) / 255.0
means = np.stack([pixels[train.labels == digit].mean(axis=0) for digit in range(10)])
graph = nir.NIRGraph.from_list(
    nir.Linear((means - means.mean(axis=0)).astype(np.float32)),
    nir.IF(r=np.ones(10), v_threshold=np.full(10, 1.5), v_reset=np.full(10, -1000.0)),
)
nir.write("templates.nir", graph)

# %% [markdown]
# Encoder and time steps are not in the graph.

# %%
network, _ = quantize(read_nir("templates.nir", t_max=8, cutoff=32, input_shape=(1, 8, 8)), 5)
print(f"{evaluate(network, test).accuracy:.1%} of {len(test)} test images")
