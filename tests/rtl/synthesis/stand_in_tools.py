"""Stand-ins of the FPGA tools, for what the real ones do not do on demand: crash, and count."""

import json
import os
import sys
from pathlib import Path

_SCRIPT = """\
#!{python}
import json, pathlib, sys
arguments = sys.argv[1:]
if arguments == ["--version"]:
    print("{name} stand-in {version}")
    sys.exit(0)
with open({calls!r}, "a") as calls:
    print("{name}", file=calls)
{body}
"""

_REPORT = {
    "critical_paths": [],
    "fmax": {"aclk": {"achieved": 123.4, "constraint": 100}},
    "utilization": {
        cell: {"used": used, "available": 1000}
        for cell, used in (
            ("TRELLIS_COMB", 5),
            ("TRELLIS_FF", 4),
            ("DP16KD", 3),
            ("TRELLIS_RAMW", 2),
            ("MULT18X18D", 1),
        )
    },
}

YOSYS = """\
pathlib.Path("netlist.json").write_text('{"modules": {}}')
pathlib.Path("cells.json").write_text('{"design": {"num_cells_by_type": {"CCU2C": 7}}}')
"""
NEXTPNR = f"""\
report = {json.dumps(_REPORT)!r}
pathlib.Path(arguments[arguments.index("--report") + 1]).write_text(report)
"""


def crash(*lines, status=1):
    """A body that says ``lines`` and ends with ``status``."""
    return "".join(f"print({line!r})\n" for line in lines) + f"sys.exit({status})\n"


class Tools:
    """Puts stand-ins in the place of yosys and nextpnr, through Amaranth's variables."""

    def __init__(self, folder: Path, monkeypatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        self.log = folder / "calls"
        self.put("yosys", YOSYS)
        self.put("nextpnr-ecp5", NEXTPNR)

    def put(self, name, body, version="1.0"):
        self.folder.mkdir(exist_ok=True)
        path = self.folder / name
        text = _SCRIPT.format(
            python=sys.executable, name=name, version=version, calls=str(self.log), body=body
        )
        path.write_text(text)
        os.chmod(path, 0o755)
        self.monkeypatch.setenv(name.upper().replace("-", "_"), str(path))

    def calls(self):
        """The tools run since the last question."""
        lines = self.log.read_text().split() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines
