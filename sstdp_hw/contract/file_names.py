"""Names in the folder of a generated accelerator, by the verb that writes them."""

from __future__ import annotations

from ..network.network import FILE_NAME

# generate
VERILOG_FILE = "accelerator.v"
MANIFEST_FILE = "manifest.json"
NETWORK_FILE = FILE_NAME  # the same file that `quantize` writes into a run folder
TESTBENCH_FILE = "testbench.v"
BUS_FILE = "accelerator_bus.v"  # with --bus alone, and so is the next one
HEADER_FILE = "accelerator.h"
CORE_FILE = "sstdp_accelerator.core"

# simulate
RESULTS_FILE = "results.json"
ARRAYS_FILE = "results.npz"
RECORD_FILE = "record.json"
LOADED_FOLDER = "loaded"  # results of a simulation with another network in the memories
MUTATION_FOLDER = "mutation"  # results of a simulation with a corrupted number

# verify
MUTANTS_FILE = "mutants.json"
COVERAGE_FILE = "coverage.json"

# build: a folder for every target
BUILD_FOLDER = "build"
UTILISATION_FILE = "utilisation.json"
