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
data = datasets.load("mnist", "train")
images, labels = torch.from_numpy(data.images.copy()), torch.from_numpy(data.labels)
held_images, held_labels = images[55_000:], labels[55_000:]
layers = UntilDecision(IFLinear(784, 400), IFOutput(400, 10))
model = nn.Sequential(TTFSEncoder(t_max=8, cutoff=32), Flatten(), layers)
initialize(model, images[:500])
loss_of = DecisionLoss(margin_scale=0.35)

for width, epochs, rate in ((None, 20, 4e-3), (4, 4, 1.3e-3)):
    if width:
        quantize_aware(model, width)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.03)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * 860)
    for epoch in range(epochs):
        for chosen in torch.randperm(55_000).split(64):
            shift = torch.randint(-1, 2, (2,)).tolist()
            optimizer.zero_grad()
            loss_of(model(images[chosen].roll(shift, (2, 3))), labels[chosen]).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            classes, _ = decide(model.eval()(held_images))
        model.train()
        right = (classes == held_labels).double().mean()
        print(f"{width or 'float'}, epoch {epoch}: {right:.2%} of the held-back images", flush=True)

network = to_network(model, class_names=data.class_names, name="own-loop")
network.save(sys.argv[1])
print(evaluate(network, datasets.load("mnist", "test")))
