"""A run folder as the steps write it, with hardware that is right, without running them."""

import json

import numpy as np

from sstdp_hw.base.files import file_digest
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.data import datasets
from sstdp_hw.models.cycles import cycles_per_image
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_rtl.generator.generate import generate

NETWORK, IMAGES = "ready:digits-64-64-10-4bit", 80


def finished_run(folder):
    """Write all files of a run of the ready digits into a new folder."""
    hardware = folder / "accelerator"
    network = Network.load(NETWORK)
    folder.mkdir()
    generate(network, Configuration(), hardware)
    directory = GeneratedDirectory.load(hardware)
    samples = datasets.load("digits").first(IMAGES)
    inference = reference.run(network, samples.images)
    cycles = cycles_per_image(directory.parameters, inference)
    names = ("predicted", "decision_time", "silent")
    answers = dict(
        zip(names, (inference.classes, inference.decision_times, inference.silent), strict=True)
    )
    np.savez(hardware / "results.npz", cycles=cycles, **answers)
    put(hardware / "results.json", {
        "images": IMAGES, "mismatches": 0, "dataset": "digits", "dataset_digest": samples.digest,
        "hardware_accuracy": inference.accuracy(samples.labels), "efficiency": 0.7,
        "cycles_per_image": {"mean": float(cycles.mean()), "min": 1, "max": 900},
        "verilog_sha256": directory.manifest["verilog_sha256"], "simulator": "verilator",
    })  # fmt: skip
    put(hardware / "record.json", {
        "files": {"results.json": file_digest(hardware / "results.json")}, "record_sha256": "r",
        "tools": {"verilator": "5"},
    })  # fmt: skip
    point = {"pixels_per_beat": 1, "lut": 900, "ff": 400, "bram": 2}
    points = [
        {"lanes": [n, 2], "cycles_per_image": 999 / n, **point, "lut": 900 * n} for n in (1, 2, 4)
    ]
    put(folder / "explore.json", {
        "digest": network.digest, "workload": "digits", "points": points, "front": points[:1],
    })  # fmt: skip
    epochs = [
        {"epoch": n, "loss": 1 / n, "train_accuracy": 0.9, "validation_accuracy": None,
         "decision_time": 5.0, "firing": [0.4, 0.1], "learning_rate": 0.01} for n in (1, 2, 3)
    ]  # fmt: skip
    put(folder / "history.json", {"epochs": epochs})
    put(folder / "train.json", {
        "command": "sstdp-hw train --dataset digits", "test_accuracy": 0.97, "epochs": 3,
        "asked": {"dataset": "digits"}, "training_images": 1198, "wall_seconds": 9.0,
    })  # fmt: skip


def put(path, content):
    path.write_text(json.dumps(content))
