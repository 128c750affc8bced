"""MNIST 784-400-10 in a training loop of one's own with `sstdp_train.nn`, to 4 bits and a file.

python benchmarks/own_loop.py network.safetensors
"""

import sys

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
    decide,
    initialize,
    quantize_aware,
    to_network,
)  # fmt: skip

torch.manual_seed(0)
train, test = datasets.load("mnist", "train"), datasets.load("mnist", "test")
images, labels = torch.from_numpy(train.images), torch.from_numpy(train.labels)
layers = UntilDecision(IFLinear(784, 400), IFOutput(400, 10))
model = nn.Sequential(TTFSEncoder(t_max=8, cutoff=32), Flatten(), layers)
initialize(model, images[:500])
loss_of = DecisionLoss(margin_scale=0.35)

for width, epochs, rate in ((None, 4, 3e-3), (4, 2, 1e-3)):
    if width:
        quantize_aware(model, width)
    steps = epochs * -(-len(images) // 64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.03)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for epoch in range(epochs):
        for chosen in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            loss_of(model(images[chosen]), labels[chosen]).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            classes, _ = decide(model.eval()(torch.from_numpy(test.images)))
        model.train()
        print(width or "float", epoch, f"{(classes.numpy() == test.labels).mean():.4f}", flush=True)

network = to_network(model, class_names=train.class_names, name="own-loop")
network.save(sys.argv[1])
print("integers", evaluate(network, test))
