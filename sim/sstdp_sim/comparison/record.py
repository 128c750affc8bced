"""The record: what was simulated, byte for byte, and that nothing differed.

`simulate` and `run` write it beside their results when every image was equal, and take an older one
away when not. Whoever gets the folder can check it: every hash is computed again, the counts are
taken again from the answers, and images are simulated again if asked for.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from sstdp_hw import __version__
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import file_digest, parse_json, read_bytes, read_json, sha256, write_json
from sstdp_hw.contract.directory import GeneratedDirectory, inside
from sstdp_hw.contract.file_names import ARRAYS_FILE, RECORD_FILE, RESULTS_FILE
from sstdp_hw.data import datasets
from sstdp_hw.engine.local import Local
from sstdp_hw.engine.work import Engine
from sstdp_hw.reference import inference as reference

from .cosimulation import Report, cosimulate

FORMAT_VERSION = 1
_COUNTS = (
    "images", "mismatches", "protocol_findings", "software_accuracy", "hardware_accuracy",
    "every_spike_compared", "traffic", "place", "simulator",
)  # fmt: skip
_ANSWERS = ("predicted", "decision_time", "silent")


def publish(directory: GeneratedDirectory, report: Report) -> list[Path]:
    """Write results into the folder that was simulated and, if nothing was wrong, the record.

    The hashes of the record are those of what was read and of what was written, not of what lies
    in the folder by now. An older record goes first: it must never stand beside other results.

    Parameters
    ----------
    report : Report
        Its result with ``dataset`` and ``dataset_digest``.

    Returns
    -------
    list of Path
        The files that were written; the record is the last, if there is one.

    Raises
    ------
    UserError
        If the folder has changed since it was read, or cannot be written.
    """
    directory.refuse_changed()
    path, result = directory.path / RECORD_FILE, report.result
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be removed: {error}") from None
    written = report.save(directory.path)
    files = [directory.path / name for name in written]
    if result["mismatches"] or result["protocol_findings"]:
        return files
    record = {
        "format_version": FORMAT_VERSION,
        "name": result["name"],
        "files": directory.digests | written,
        "network_digest": result["network_digest"],
        "dataset": {"name": result["dataset"], "digest": result["dataset_digest"]},
        **{name: result[name] for name in _COUNTS},
        **_ran_on(result),
        "tools": {
            **result["tools"], "sstdp-hw": __version__, "python": platform.python_version(),
            "numpy": np.__version__,
        },
    }  # fmt: skip
    directory.refuse_changed()
    write_json(path, record | {"record_sha256": _digest(record)})
    return [*files, path]


def _ran_on(result: dict[str, Any]) -> dict[str, Any]:
    """Images by worker, where others than this process played them; and those that a run before,
    which was interrupted, had kept."""
    if "cluster" not in result:
        return {}
    found = {each["worker"]: each["units"] for each in result["cluster"]["workers"]}
    before = result["images"] - sum(found.values())
    return {"ran_on": found | ({"interrupted run before": before} if before else {})}


def _digest(record: dict[str, Any]) -> str:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode())


def check(
    path: Path, rerun: int | None = 0, jobs: int = 1, engine: Engine | None = None
) -> dict[str, Any]:
    """Check a record against the files beside it.

    Parameters
    ----------
    path : Path
        The record, or the folder that holds it.
    rerun : int or None
        How many of the first images to simulate again, and compare answer by answer; None for all.
    jobs : int
        Simulator processes at once.
    engine : Engine, optional
        Who simulates, in place of ``jobs`` processes here.

    Returns
    -------
    dict
        The record, and ``reference_checked`` and ``simulated_again``: images.

    Raises
    ------
    UserError
        If anything is not as the record says.
    """
    path = path / RECORD_FILE if path.is_dir() else path
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
    contents = {name: read_bytes(folder / name, "result") for name in (RESULTS_FILE, ARRAYS_FILE)}
    # What is compared from here on was read once more: it must be what the record names, too.
    read = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    for name, found in (directory.digests | read).items():
        if found != files.get(name):
            raise _refusal(path, name, "sha256", files.get(name), found)
    _refuse_other_results(path, record, directory, contents[RESULTS_FILE])
    report = _images(directory, path, record, contents[ARRAYS_FILE], rerun, engine or Local(jobs))
    return record | {"record_sha256": told} | report


def _refuse_other_results(
    path: Path, record: dict[str, Any], directory: GeneratedDirectory, data: bytes
) -> None:
    """The results must be of the Verilog, network and images of the record: files whose hashes are
    right one by one can still be of different simulations."""
    results = parse_json(data, path.parent / RESULTS_FILE, "result")
    wanted = {name: record.get(name) for name in ("name", "network_digest", *_COUNTS)} | {
        "verilog_sha256": record["files"][str(directory.manifest["verilog"])],
        "dataset": record["dataset"].get("name"),
        "dataset_digest": record["dataset"].get("digest"),
    }
    for name, value in (*wanted.items(), ("network_digest", directory.network.digest)):
        if results.get(name) != value:
            raise UserError(
                f"{path}: {name} of {RESULTS_FILE} must be that of the record, {_short(value)}, "
                f"not {_short(results.get(name))}; simulate again"
            )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."


def _refusal(path: Path, what: str, kind: str, wanted: object, found: str) -> UserError:
    return UserError(
        f"{path}: {what} must have the {kind} of the record, {str(wanted)[:12]}..., not "
        f"{found[:12]}...; simulate again"
    )


def _images(
    directory: GeneratedDirectory, path: Path, record: dict[str, Any], packed: bytes,
    rerun: int | None, engine: Engine,
) -> dict[str, Any]:  # fmt: skip
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
    try:
        with np.load(io.BytesIO(packed)) as file:
            arrays = {name: file[name] for name in _ANSWERS}
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise UserError(
            f"{path}: {ARRAYS_FILE} must hold the answers ({error}); simulate again"
        ) from None
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
            directory, samples.images[:chosen], samples.labels[:chosen], engine=engine,
            simulator=str(record["simulator"] or "verilator"),  # none: it was a board
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
