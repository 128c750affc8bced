"""Writes tests/hw/nir_files: graphs by the exporters of other frameworks, and what those frameworks
themselves answer, so that the tests need none of them.

    python -m venv build/interop && build/interop/bin/pip install torch==2.13.0 nir
    build/interop/bin/pip install --no-deps nirtorch==2.6 snntorch==1.0.0 spikingjelly==2.0.0 \\
        norse==1.1.0 sinabs==3.1.3 torchvision torchaudio   # and the small packages they ask for
    build/interop/bin/python tools/make_nir_files.py

Weights are multiples of 1/16, so that sums in float32 are exact and neurons often end at their
threshold. Beside NAME.nir lies NAME.npz: spike times of inputs [N, C, H, W], and for every layer of
neurons the number of spikes and the time of the first one, stepped through the framework's modules.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import nir
import numpy as np
import torch
from torch import nn

FOLDER = Path(__file__).parents[1] / "tests" / "hw" / "nir_files"
STEPS, SAMPLES = 6, 40
SHAPE = (1, 8, 8)


def dyadic(*shape, scale=4):
    """Weights of multiples of 1/16, most of them small and a little more positive than not."""
    return torch.round(torch.randn(*shape) * scale + 1) / 16


def linear(inputs, outputs, *, bias=False):
    layer = nn.Linear(inputs, outputs, bias=bias)
    layer.weight.data = dyadic(outputs, inputs)
    if bias:
        layer.bias.data = torch.zeros(outputs)
    return layer


def convolution(inputs, outputs, kernel, *, kind=nn.Conv2d, **settings):
    layer = kind(inputs, outputs, kernel, bias=False, **settings)
    layer.weight.data = dyadic(*layer.weight.shape)
    return layer


def stepped(modules, neurons, times):
    """Counts and first times of the spikes of every module of neurons."""
    counts, first = {}, {}
    with torch.no_grad():
        for step in range(STEPS):
            signal = torch.from_numpy((times == step).astype(np.float32))
            for place, module in enumerate(modules):
                signal = module(signal)
                signal = signal[0] if isinstance(signal, tuple) else signal
                if place in neurons:
                    now = signal.numpy() > 0.5
                    counts.setdefault(place, np.zeros(now.shape, np.uint8))
                    first.setdefault(place, np.full(now.shape, STEPS, np.uint8))
                    counts[place] += now
                    first[place][now & (first[place] == STEPS)] = step
    return [counts[place] for place in neurons], [first[place] for place in neurons]


def save(name, graph, answers=None, times=None):
    graph.edges.sort()  # some exporters keep them in a set
    nir.write(FOLDER / f"{name}.nir", graph)
    if answers is None:
        return
    arrays = {"times": times}
    for place, (count, first) in enumerate(zip(*answers, strict=True)):
        arrays |= {f"count_{place}": count, f"first_{place}": first}
    write_npz(FOLDER / f"{name}.npz", arrays)


def write_npz(path, arrays):
    """As np.savez_compressed, without the date: the same bytes every time."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            entry = zipfile.ZipInfo(f"{name}.npy")
            archive.writestr(entry, buffer.getvalue(), zipfile.ZIP_DEFLATED, 9)


def snntorch_files(times):
    import snntorch as snn
    from snntorch.export_nir import export_to_nir

    def leaky(count, beta=1.0, **settings):
        return snn.Leaky(
            beta=beta * torch.ones(count), threshold=torch.ones(count), init_hidden=True,
            reset_mechanism="zero", reset_delay=False, **settings,
        )  # fmt: skip

    network = nn.Sequential(
        nn.Flatten(), linear(64, 20), leaky(20), linear(20, 10), leaky(10, output=True)
    )
    graph = export_to_nir(network, torch.rand(1, *SHAPE), ignore_dims=[0])
    save("snntorch-dense", graph, stepped(network, (2, 4), times), times)
    refused = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        snn.Leaky(
            beta=torch.ones(4, 8, 8), threshold=torch.ones(4, 8, 8), init_hidden=True
        ),
        nn.AvgPool2d(2),
        nn.Flatten(),
        linear(64, 10),
        leaky(10, beta=0.9, output=True),
    )  # fmt: skip
    save("snntorch-refused", export_to_nir(refused, torch.rand(1, *SHAPE), ignore_dims=[0]))


def spikingjelly_files(times):
    from spikingjelly.activation_based import layer, neuron, nir_exchange

    def neurons():
        return neuron.IFNode(v_reset=-1000.0)

    network = nn.Sequential(
        convolution(1, 4, 3, kind=layer.Conv2d, padding=1), neurons(),
        convolution(4, 6, 3, kind=layer.Conv2d, stride=2), neurons(),
        layer.Flatten(), linear(54, 10), neurons(),
    )  # fmt: skip
    graph = nir_exchange.export_to_nir(network, torch.rand(1, *SHAPE))
    for module in network:
        if isinstance(module, neuron.IFNode):
            module.reset()
            module.v = 0.0  # SpikingJelly begins at v_reset; NIR has no word for that
    save("spikingjelly-conv", graph, stepped(network, (1, 3, 6), times), times)


def norse_files(times):
    import norse.torch as norse
    from norse.torch.functional.iaf import IAFParameters

    def cell(count):
        return norse.IAFCell(IAFParameters(v_th=torch.ones(count), v_reset=torch.zeros(count)))

    modules = [linear(64, 20, bias=True), cell(20), linear(20, 10, bias=True), cell(10)]
    graph = norse.to_nir(norse.SequentialState(*modules), torch.rand(1, 64))
    states = {}

    def remembering(place, module):
        if not isinstance(module, norse.IAFCell):
            return module

        def step(signal):
            spikes, states[place] = module(signal, states.get(place))
            return spikes

        return step

    chain = [nn.Flatten(), *(remembering(place, module) for place, module in enumerate(modules))]
    save("norse-dense", graph, stepped(chain, (2, 4), times), times)


def sinabs_files(times):
    import sinabs.layers as sl
    from sinabs.nir import to_nir

    def neurons(threshold=1.0):
        return sl.IAFSqueeze(batch_size=SAMPLES, spike_threshold=torch.tensor(threshold))

    network = nn.Sequential(
        convolution(1, 4, 3, padding=1), neurons(), sl.SumPool2d(2), neurons(0.5),
        nn.Flatten(), linear(64, 10), neurons(),
    )  # fmt: skip
    network(torch.zeros(SAMPLES, *SHAPE))
    graph = to_nir(network, torch.zeros(SAMPLES, *SHAPE))
    graph.infer_types()  # else nir cannot write the shapes that it does not know
    save("sinabs-pool", graph)


FRAMEWORKS = {
    "snntorch": snntorch_files, "spikingjelly": spikingjelly_files, "norse": norse_files,
    "sinabs": sinabs_files,
}  # fmt: skip


def main():
    """Write the files of the frameworks that the arguments name, or of all."""
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or FRAMEWORKS:
        torch.manual_seed(0)
        times = np.random.default_rng(0).integers(0, STEPS + 3, (SAMPLES, *SHAPE))
        FRAMEWORKS[name](np.minimum(times, STEPS).astype(np.uint8))


if __name__ == "__main__":
    main()
