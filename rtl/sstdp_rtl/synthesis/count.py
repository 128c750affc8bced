"""Area only: synthesis and packing, without placement; a fraction of the time of a build."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import read_json, write_json
from sstdp_hw.base.fpga_tools import ToolFailed, find_tool, run_tool

from .cache import Cache, default_cache
from .family import NETLIST
from .implement import bare_plan
from .netlist import make_netlist
from .targets import find_device

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
    family, place = chosen.family, chosen.family.place
    if place is None:
        raise UserError(f"Area after packing is counted by nextpnr, and {device} has none here")
    plan = bare_plan("count", directory, device, chosen, None, ())
    tools = {name: find_tool(name) for name in plan.tools}
    key, store = plan.key(list(tools.values())), Cache(cache or default_cache())
    if entry := store.find(key):
        return read_json(entry / COUNTS, "counts")
    with tempfile.TemporaryDirectory(prefix="sstdp-count-") as folder:
        work, products = Path(folder, "work"), Path(folder, "products")
        work.mkdir()
        products.mkdir()
        try:
            make_netlist(plan, tools["yosys"], work)
            arguments = [
                *("--quiet", "--log", "nextpnr.log", "--report", REPORT, "--json", NETLIST),
                *chosen.options,
                *plan.place_arguments,
                "--pack-only",
            ]
            run_tool(tools[place.tool], arguments, work, log="nextpnr.log", writes=REPORT)
        except ToolFailed as failure:
            name = plan.accelerator.name
            raise UserError(f"{name}: counting its area failed: {failure}") from None
        used = json.loads((work / REPORT).read_text(encoding="utf-8"))["utilization"]
        counts = {
            name: sum(int(used[cell]["used"]) for cell in resource.placed)
            for name, resource in family.resources.items()
            if resource.placed
        }
        write_json(products / COUNTS, counts)
        store.store(key, products)
    return counts
