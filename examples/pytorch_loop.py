# %% [markdown]
# # Your own training loop
#
# The layers of `train` as modules, with weights of 4 bits from half way on.

# %%
import torch
from torch import nn

from sstdp_hw import evaluate
from sstdp_hw.data import datasets
from sstdp_train.nn import (
    DecisionLoss,
    Flatten,
    IFLinear,
    IFOutput,
    TTFSEncoder,
    UntilDecision,
    initialize,
    quantize_aware,
    to_network,
)

# %%
torch.manual_seed(0)
train, test = datasets.load("digits", "train"), datasets.load("digits")
images, labels = torch.from_numpy(train.images), torch.from_numpy(train.labels)
model = nn.Sequential(
    TTFSEncoder(t_max=16, cutoff=32), Flatten(), UntilDecision(IFLinear(64, 40), IFOutput(40, 10))
)
initialize(model, images)  # weights drawn for the spikes of the data

# %% [markdown]
# Float first, then `quantize_aware`: from there on the forward pass runs on integers.

# %%
loss_of = DecisionLoss()
for width in (None, 4):
    if width:
        quantize_aware(model, width)  # the forward pass runs on integers
    optimizer = torch.optim.Adam(model.parameters(), lr=8e-3)
    for _ in range(3):
        for batch in torch.randperm(len(images)).split(48):
            optimizer.zero_grad()
            loss_of(model(images[batch]), labels[batch]).backward()
            optimizer.step()

# %%
network = to_network(model)
network.save("pytorch-loop.safetensors")
print(f"{evaluate(network, test).accuracy:.1%} on {len(test)} test images, in integers")
