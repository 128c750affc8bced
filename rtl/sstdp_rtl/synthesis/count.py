"""Area only: synthesis and packing, without placement; a fraction of the time of a build."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from sstdp_hw.errors import UserError
from sstdp_hw.files import read_json, write_json

from .accelerator_folder import TOP, read_accelerator
from .cache import Cache, default_cache
from .family import NETLIST
from .implement import DEFAULT_CLOCK_MHZ
from .plan import SCRIPT, BuildPlan
from .targets import find_device
from .tools import ToolFailed, find_tool, run_tool

COUNTS = "counts.json"
REPORT = "packed.rpt"


def count(
    directory: Path | str, *, device: str = "ecp5-85k", cache: Path | None = None
) -> dict[str, int]:
    """Units of every resource that the bare accelerator takes on an ECP5 after packing.

    Placement adds a few LUTs that only pass a signal on, so `implement` may find slightly more.

    Parameters
    ----------
    directory : Path or str
        Folder that ``sstdp-hw generate`` wrote.
    device : str
        Only its limits matter.
    cache : Path, optional
        Folder of the cache.

    Raises
    ------
    UserError
        If the folder or the device is wrong, a tool is missing or fails.
    """
    chosen = find_device(device)
    family = chosen.family
    accelerator = read_accelerator(directory)
    plan = BuildPlan(
        kind="count",
        target=device,
        accelerator=accelerator,
        device=chosen,
        clock_mhz=DEFAULT_CLOCK_MHZ,
        seeds=(),
        files={"accelerator.v": accelerator.verilog, SCRIPT: family.script(TOP, bare=True)},
        place_arguments=("--out-of-context", "--pack-only"),
    )
    tools = {name: find_tool(name) for name in plan.tools}
    key, store = plan.key(list(tools.values())), Cache(cache or default_cache())
    if entry := store.find(key):
        return read_json(entry / COUNTS, "counts")
    with tempfile.TemporaryDirectory(prefix="sstdp-count-") as name:
        work, products = Path(name, "work"), Path(name, "products")
        work.mkdir()
        products.mkdir()
        for file, data in plan.files.items():
            (work / file).write_bytes(data)
        try:
            run_tool(tools["yosys"], ["-q", "-l", "yosys.log", SCRIPT], work, log="yosys.log")
            if family.netlist_pass is not None:
                family.netlist_pass(work / NETLIST)
            arguments = [
                *("--quiet", "--log", "nextpnr.log", "--report", REPORT, "--json", NETLIST),
                *chosen.options,
                *plan.place_arguments,
            ]
            run_tool(tools[family.place.tool], arguments, work, log="nextpnr.log")
        except ToolFailed as failure:
            raise UserError(f"{accelerator.name}: counting its area failed: {failure}") from None
        used = json.loads((work / REPORT).read_text(encoding="utf-8"))["utilization"]
        counts = {
            name: sum(int(used[cell]["used"]) for cell in resource.placed)
            for name, resource in family.resources.items()
            if resource.placed
        }
        write_json(products / COUNTS, counts)
        store.store(key, products)
    return counts
