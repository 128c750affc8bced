"""Everything a run folder tells, collected from the files of its steps.

A figure whose step has not run is None and listed under ``not_run``; a file that belongs to another
network than the rest is left out and listed under ``stale``. Nothing is estimated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..base.errors import UserError
from ..base.files import file_digest, read_json
from ..blocks.weight_store import EXTERNAL
from ..contract.file_names import (
    BUILD_FOLDER,
    MANIFEST_FILE,
    RECORD_FILE,
    RESULTS_FILE,
    UTILISATION_FILE,
)
from ..network.network import FILE_NAME

TRAIN, QUANTIZE, EVALUATE = "train.json", "quantize.json", "evaluate.json"
IMPORT = "import.json"  # in the place of training, for a network from elsewhere
ACCELERATOR = Path("accelerator")
MANIFEST = ACCELERATOR / MANIFEST_FILE
RESULTS = ACCELERATOR / RESULTS_FILE
RECORD = ACCELERATOR / RECORD_FILE
RECORD_NAME = RECORD_FILE
BUILDS = ACCELERATOR / BUILD_FOLDER
#: Suffix of the folder of a build that missed its clock, where a bitstream has the place already.
MISSED = ".missed"

STEPS = {
    # file of the step: how to run it
    TRAIN: "sstdp-hw train --out {run}",
    QUANTIZE: "sstdp-hw quantize {run} --weight-width 4 --out {run}/" + FILE_NAME,
    EVALUATE: "sstdp-hw evaluate {run} --json {run}/" + EVALUATE,
    str(MANIFEST): "sstdp-hw generate {run}/" + FILE_NAME + " --out {hardware}",
    str(RESULTS): "sstdp-hw simulate {hardware} --dataset {dataset}",
    str(BUILDS / "*" / UTILISATION_FILE): "sstdp-hw build {hardware} {target}",
}
#: What is built: a bitstream for a board, or where weights stand outside the FPGA alone.
BOARD, DEVICE = "--board ulx3s-85f", "--device ecp5-85k"


@dataclass(frozen=True)
class RunReport:
    """What the steps of a run wrote, as they wrote it.

    Parameters
    ----------
    run : Path
    train, quantize, evaluate, manifest, results, imported : dict or None
        Content of the step's file; None if it has not run or is stale.
    record : dict or None
        What `simulate` signed off; absent where an image mismatched, and where it is stale.
    builds : tuple of dict
        Content of every ``utilisation.json``, by target name.
    stale : tuple of str
        One line per file that was left out, with the reason.
    place : Path
        Where in ``run`` the accelerator lies: `ACCELERATOR`, or nowhere else if the folder is the
        accelerator's own.
    """

    run: Path
    train: dict[str, Any] | None = None
    quantize: dict[str, Any] | None = None
    evaluate: dict[str, Any] | None = None
    manifest: dict[str, Any] | None = None
    results: dict[str, Any] | None = None
    record: dict[str, Any] | None = None
    builds: tuple[dict[str, Any], ...] = ()
    stale: tuple[str, ...] = field(default=())
    imported: dict[str, Any] | None = None
    place: Path = ACCELERATOR

    @property
    def hardware(self) -> Path:
        """The folder of the accelerator."""
        return self.run / self.place

    @property
    def origin(self) -> dict[str, Any] | None:
        """What tells where the float network comes from: training, or an import."""
        return self.train or self.imported

    @property
    def not_run(self) -> dict[str, str]:
        """The steps without a result: name of the file, and the command that makes it."""
        found = {
            TRAIN: self.origin,
            QUANTIZE: self.quantize,
            EVALUATE: self.evaluate,
            str(MANIFEST): self.manifest,
            str(RESULTS): self.results,
            str(BUILDS / "*" / UTILISATION_FILE): self.builds,
        }
        # Into the folder of an accelerator alone no network is trained.
        within = ACCELERATOR if self.hardware == self.run else Path()
        origin = self.origin
        dataset = pick(origin, "asked", "dataset") or pick(origin, "dataset") or "NAME"
        external = pick(self.manifest, "configuration", "weights") == EXTERNAL.kind
        target = DEVICE if external else BOARD
        return {
            str(Path(name).relative_to(within)): STEPS[name].format(
                run=self.run, hardware=self.hardware, dataset=dataset, target=target
            )
            for name, content in found.items()
            if not content and Path(name).is_relative_to(within)
        }

    def figures(self) -> dict[str, Any]:
        """The figures of the summary, None where the step has not run.

        ``microseconds_per_image`` is the mean of the cycles per image over the build's fmax.
        """
        cycles = pick(self.results, "cycles_per_image", "mean")
        fine_tuned = pick(self.train, "recipe", "weight_widths")
        own = pick(self.origin, "test_accuracy")
        return {
            "network": pick(self.quantize, "network") or pick(self.manifest, "name"),
            "dataset": pick(self.origin, "dataset")
            or pick(self.quantize, "dataset")
            or pick(self.results, "dataset"),
            "float_accuracy": pick(self.train, "initial", "test_accuracy") if fine_tuned else own,
            "fine_tuned_accuracy": own if fine_tuned else None,
            "integer_accuracy": pick(self.quantize, "after", "rule_6")
            if pick(self.quantize, "split") == "test"
            else None,
            "hardware_accuracy": pick(self.results, "hardware_accuracy"),
            "images": pick(self.results, "images"),
            "mismatches": pick(self.results, "mismatches"),
            "first_mismatch": pick(self.results, "first_mismatch"),
            "cycles_per_image": cycles,
            "efficiency": pick(self.results, "efficiency"),
            "additions_per_image": pick(self.evaluate, "additions"),
            "multiply_accumulates": pick(self.evaluate, "multiply_accumulates"),
            "energy_estimate": pick(self.results, "energy_estimate"),
            "builds": [_build_figures(build, cycles) for build in self.builds],
        }


def _build_figures(build: dict[str, Any], cycles: float | None) -> dict[str, Any]:
    names = (
        "target", "kind", "lut", "ff", "bram", "lut_ram", "multiplier", "fmax_mhz", "clock_mhz",
        "timing_met",
    )  # fmt: skip
    fmax = pick(build, "fmax_mhz")
    return {
        **{name: build.get(name) for name in names},
        "bitstream": pick(build, "bitstream", "file"),
        "bitstream_bytes": pick(build, "bitstream", "bytes"),
        "microseconds_per_image": cycles / fmax if cycles and fmax else None,
    }


def pick(content: Any, *keys: str) -> Any:
    """A value deep in JSON, or None if there is none on the way."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def collect(run: Path | str) -> RunReport:
    """Read what is there of a run.

    The folder of an accelerator alone will do, too.

    Raises
    ------
    UserError
        If the folder is missing, holds no result of any step, or one of its files is damaged.
    """
    run = Path(run)
    if not run.is_dir():
        raise UserError(f"{run}: no such run folder; write one with `sstdp-hw train`")

    def read(place: Path | str) -> dict[str, Any] | None:
        return read_json(run / place, "result") if (run / place).is_file() else None

    place = Path() if (run / MANIFEST_FILE).is_file() else ACCELERATOR
    train, quantize, evaluate = read(TRAIN), read(QUANTIZE), read(EVALUATE)
    imported, manifest, results = (
        read(IMPORT),
        read(place / MANIFEST_FILE),
        read(place / RESULTS_FILE),
    )
    builds = {path: read(path.relative_to(run)) or {} for path in _utilisations(run / place)}
    if not any((train, imported, quantize, evaluate, manifest, results, builds)):
        raise UserError(
            f"{run}: must hold a result of at least one step ({TRAIN}, {QUANTIZE}, ...), and holds "
            "none"
        )
    stale: list[str] = []

    def belongs(name: str, content: dict[str, Any] | None, keys: Iterable[str], to: Any) -> bool:
        found = pick(content, *keys)
        if content and to and found and found != to:
            stale.append(f"{name} is of another network or Verilog than the files before it")
            return False
        return True

    digest = pick(quantize, "digest")
    if not belongs(EVALUATE, evaluate, ["digest"], digest):
        evaluate = None
    if not belongs(str(MANIFEST), manifest, ["network", "digest"], digest):
        manifest = None
    verilog = pick(manifest, "verilog_sha256")
    if str(MANIFEST) in " ".join(stale):
        verilog = "none that is up to date"
    if not belongs(str(RESULTS), results, ["verilog_sha256"], verilog):
        results = None
    record = read(place / RECORD_FILE)
    played = file_digest(run / place / RESULTS_FILE) if results else "none"
    if not (
        belongs(str(RECORD), record, ["files", RESULTS.name], played)
        and belongs(str(RECORD), record, ["files", str(pick(manifest, "verilog"))], verilog)
    ):
        record = None
    kept = tuple(
        content
        for path, content in builds.items()
        if belongs(str(path.relative_to(run)), content, ["design", "verilog_sha256"], verilog)
    )
    return RunReport(
        run, train, quantize, evaluate, manifest, results, record, kept, tuple(stale), imported,
        place,
    )  # fmt: skip


def _utilisations(hardware: Path) -> list[Path]:
    """Of every build, except those that missed their clock and left a bitstream in its place."""
    found = (hardware / BUILD_FOLDER).glob(f"*/{UTILISATION_FILE}")
    return sorted(path for path in found if path.parent.suffix != MISSED)
