"""Published accelerators on MNIST, with the figures of their papers' abstracts.

They run on other devices, made by other tools, and count other things (some leave out encoder or
readout), so they are anchors and no race. A figure that the source does not give stays empty.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Anchor:
    """What a paper says of its accelerator.

    Parameters
    ----------
    name, network, device, source : str
    accuracy : float, optional
    us_per_image, images_per_second : float, optional
        As published, in whichever form; neither is computed from the other.
    logic, memory : str
        In the paper's own units.
    """

    name: str
    source: str
    network: str = ""
    device: str = ""
    accuracy: float | None = None
    us_per_image: float | None = None
    images_per_second: float | None = None
    logic: str = ""
    memory: str = ""


ANCHORS = (
    Anchor(
        "Flexi-NeurA",
        "Farahani, Roshanshah, Safari: Flexi-NeurA: A Configurable Neuromorphic Accelerator with "
        "Adaptive Bit-Precision Exploration for Edge SNNs, arXiv:2602.18140v1 (a later version of "
        "the abstract says 96.23 %)",
        network="256-128-10", accuracy=0.9723, us_per_image=1100,
        logic="1,623 logic cells", memory="7 BRAM",
    ),
    Anchor(
        "Spiker+",
        "Carpegna, Savino, Di Carlo: Spiker+: a framework for the generation of efficient Spiking "
        "Neural Networks FPGA accelerators for inference at the edge, arXiv:2401.01141",
        accuracy=0.9385, us_per_image=780, logic="7,612 logic cells", memory="18 BRAM",
    ),
    Anchor(
        "snn-fpga",
        "Fan, Levy: A Robust, Open-Source Framework for Spiking Neural Networks on Low-End FPGAs, "
        "arXiv:2507.07284",
        device="Artix-7", us_per_image=520, logic="6,358 LUT", memory="40.5 BRAM",
    ),
    Anchor(
        "DeepFire",
        "Aung et al.: DeepFire: Acceleration of Convolutional Spiking Neural Network on Modern "
        "Field Programmable Gate Arrays, FPL 2021, doi 10.1109/FPL53798.2021.00013",
        network="convolutional", accuracy=0.9914, images_per_second=40_100,
    ),
    Anchor(
        "SyncNN",
        "Panchapakesan, Fang, Li: SyncNN: Evaluating and Accelerating Spiking Neural Networks on "
        "FPGAs, FPL 2021; extended: doi 10.1145/3514253",
        network="convolutional", device="Xilinx ARM SoC", accuracy=0.996, images_per_second=13_086,
    ),
    Anchor(
        "Skydiver",
        "Chen, Gao, Fang, Luan: Skydiver: A Spiking Neural Network Accelerator Exploiting "
        "Spatio-Temporal Workload Balance, arXiv:2203.07516",
        network="convolutional", device="XC7Z045", accuracy=0.985, images_per_second=22_600,
    ),
    Anchor(
        "FINN, not spiking",
        "Umuroglu et al.: FINN: A Framework for Fast, Scalable Binarized Neural Network Inference, "
        "FPGA 2017, doi 10.1145/3020078.3021744 (latency 0.31 us)",
        network="binary", device="ZC706 (XC7Z045)", accuracy=0.958, images_per_second=12_300_000,
    ),
)  # fmt: skip
