"""The signed-off record: what was simulated, byte for byte, and that nothing differed.

`simulate` writes it beside its results when every image was equal, and takes an older one away when
not. Whoever gets the folder can check it: every hash is computed again, the counts are taken again
from the answers, and images are simulated again if asked for.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np

from sstdp_hw import __version__
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import file_digest, read_json, sha256, write_json
from sstdp_hw.contract.directory import GeneratedDirectory, inside
from sstdp_hw.contract.file_names import ARRAYS_FILE, MANIFEST_FILE, RECORD_FILE, RESULTS_FILE
from sstdp_hw.data import datasets
from sstdp_hw.reference import inference as reference

from .cosimulation import Report, cosimulate

FORMAT_VERSION = 1
_COUNTS = (
    "images", "mismatches", "protocol_findings", "software_accuracy", "hardware_accuracy",
    "every_spike_compared", "traffic", "simulator",
)  # fmt: skip
_ANSWERS = ("predicted", "decision_time", "silent")


def sign_off(directory: GeneratedDirectory, result: dict[str, Any]) -> None:
    """Write the record of a finished simulation, whose results are in the folder; of one that found
    anything wrong there is none, and an older one is removed.

    Parameters
    ----------
    result : dict
        Of `cosimulation.Report`, with ``dataset`` and ``dataset_digest``.
    """
    path = directory.path / RECORD_FILE
    if result["mismatches"] or result["protocol_findings"]:
        path.unlink(missing_ok=True)
        return
    network = str(directory.manifest["network"]["file"])
    names = (MANIFEST_FILE, str(directory.manifest["verilog"]), network, RESULTS_FILE, ARRAYS_FILE)
    record = {
        "format_version": FORMAT_VERSION,
        "name": result["name"],
        "files": {name: file_digest(directory.path / name) for name in names},
        "network_digest": result["network_digest"],
        "dataset": {"name": result["dataset"], "digest": result["dataset_digest"]},
        **{name: result[name] for name in _COUNTS},
        "tools": {
            **result["tools"], "sstdp-hw": __version__, "python": platform.python_version(),
            "numpy": np.__version__,
        },
    }  # fmt: skip
    write_json(path, record | {"record_sha256": _digest(record)})


def _digest(record: dict[str, Any]) -> str:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode())


def check(path: Path, rerun: int | None = 0, jobs: int = 1) -> dict[str, Any]:
    """Check a record against the files beside it.

    Parameters
    ----------
    path : Path
    rerun : int or None
        How many of the first images to simulate again, and compare answer by answer; None for all.
    jobs : int
        Simulator processes at once.

    Returns
    -------
    dict
        The record, and ``reference_checked`` and ``simulated_again``: images.

    Raises
    ------
    UserError
        If anything is not as the record says.
    """
    record = read_json(path, "record")
    told = record.pop("record_sha256", None)
    if record.get("format_version") != FORMAT_VERSION or told != _digest(record):
        raise _refusal(path, "record", "sha256", told, _digest(record))
    folder = path.parent
    files = record.get("files")
    if not isinstance(files, dict) or not isinstance(record.get("dataset"), dict):
        raise UserError(f"{path}: must name files and a data set; simulate again")
    for name, wanted in files.items():
        found = file_digest(inside(folder, str(name), path.name))
        if found != wanted:
            raise _refusal(path, str(name), "sha256", wanted, found)
    directory = GeneratedDirectory.load(folder)
    if directory.network.digest != record.get("network_digest"):
        raise _refusal(
            path, "network", "digest", record.get("network_digest"), directory.network.digest
        )
    report = _images(directory, path, record, rerun, jobs)
    return record | {"record_sha256": told} | report


def _refusal(path: Path, what: str, kind: str, wanted: object, found: str) -> UserError:
    return UserError(
        f"{path}: {what} must have the {kind} of the record, {str(wanted)[:12]}..., not "
        f"{found[:12]}...; simulate again"
    )


def _images(
    directory: GeneratedDirectory, path: Path, record: dict[str, Any], rerun: int | None, jobs: int
) -> dict[str, Any]:
    """Count again from the answers, run the reference again, and images in simulation."""
    count = record.get("images")
    if not isinstance(count, int) or count < 1 or record.get("mismatches") != 0:
        raise UserError(f"{path}: must tell of images without a mismatch; simulate again")
    samples = datasets.load(str(record["dataset"].get("name"))).first(count)
    if samples.digest != record["dataset"].get("digest"):
        raise _refusal(
            path, f"data set {samples.name}", "digest", record["dataset"].get("digest"),
            samples.digest,
        )  # fmt: skip
    with np.load(directory.path / ARRAYS_FILE) as file:
        arrays = dict(file)
    inference = reference.run(directory.network, samples.images)
    wanted = dict(
        zip(_ANSWERS, (inference.classes, inference.decision_times, inference.silent), strict=True)
    )
    for name, expected in wanted.items():
        if arrays[name].shape != (count,) or (arrays[name] != expected).any():
            raise UserError(
                f"{path}: {name} of all {count} images must be what the reference says; "
                "simulate again"
            )
    chosen = count if rerun is None else min(rerun, count)
    if chosen:
        again = cosimulate(
            directory, samples.images[:chosen], samples.labels[:chosen], shards=jobs,
            simulator=str(record["simulator"]),
        )  # fmt: skip
        _compare(path, again, arrays, chosen)
    return {"reference_checked": count, "simulated_again": chosen}


def _compare(path: Path, again: Report, arrays: dict[str, Any], chosen: int) -> None:
    if again.result["mismatches"]:
        raise UserError(
            f"{path}: simulated again, {again.result['mismatches']} of {chosen} images mismatch; "
            f"first: {again.result['first_mismatch']}"
        )
    for name in _ANSWERS:
        if (again.arrays[name] != arrays[name][:chosen]).any():
            raise UserError(f"{path}: simulated again, {name} differs; simulate again")
