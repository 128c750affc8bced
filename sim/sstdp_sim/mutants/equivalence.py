"""Proofs that a fault in the logic changes nothing that leaves its module.

Module and faulty module are compared by a SAT solver (yosys ``equiv_*``): every register and every
output must be equal in every cycle if all were equal before, for all inputs. What lies outside the
module is left open, so a proof holds wherever the module stands; a fault that only the surroundings
make harmless is not proven.
"""

from __future__ import annotations

import copy
import json
import threading
from pathlib import Path
from typing import Any

from sstdp_hw.errors import UserError

from .logic import LogicFault, apply
from .netlist import Editor, run_yosys

_SCRIPT = """\
read_json pair.json
proc
memory_map
opt_clean
equiv_make gold gate pair
hierarchy -top pair
equiv_simple -seq 1
equiv_induct -seq 4
equiv_status -assert
"""


class LogicProof:
    """Tries to prove logic faults equivalent.

    Parameters
    ----------
    modules : dict
        The netlist without faults.
    folder : Path
        For files in between.
    """

    def __init__(self, modules: dict[str, Any], folder: Path) -> None:
        self._modules, self._folder = modules, folder
        self._lock = threading.Lock()
        self._count = 0

    def equivalent(self, fault: LogicFault) -> str | None:
        """The argument, or None if there is no proof."""
        gold = _cut(copy.deepcopy(self._modules[fault.module]), self._modules)
        gate = copy.deepcopy(self._modules[fault.module])
        apply(fault, Editor(gate), ["1"])
        gate = _cut(gate, self._modules)
        with self._lock:
            self._count += 1
            folder = self._folder / f"proof-{self._count}"
        folder.mkdir()
        pair = {"creator": "sstdp-hw", "modules": {"gold": gold, "gate": gate}}
        (folder / "pair.json").write_text(json.dumps(pair), encoding="utf-8")
        try:
            run_yosys(folder, _SCRIPT)
        except UserError:
            return None
        return f"SAT: {fault.module} has equal outputs and registers with and without it"


def _cut(module: dict[str, Any], modules: dict[str, Any]) -> dict[str, Any]:
    """The module alone: what the modules in it give becomes an input, what they take an output."""
    for name, cell in list(module["cells"].items()):
        if cell["type"].startswith("$"):
            continue
        for port, bits in cell["connections"].items():
            direction = "input" if cell["port_directions"][port] == "output" else "output"
            module["ports"][f"cut_{name}_{port}"] = {"direction": direction, "bits": bits}
        del module["cells"][name]
    module["attributes"].pop("top", None)
    # Names are what the solver pairs. Others than those of registers would ask for too much: a bit
    # that nothing looks at may differ.
    states = {
        bit
        for cell in module["cells"].values()
        if "dff" in cell["type"]
        for bit in cell["connections"]["Q"]
    }
    states |= {bit for port in module["ports"].values() for bit in port["bits"]}
    module["netnames"] = {
        name: net for name, net in module["netnames"].items() if states.issuperset(net["bits"])
    }
    return module
