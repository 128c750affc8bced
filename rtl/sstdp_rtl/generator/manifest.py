"""The manifest: everything that a consumer of the Verilog has to know, as JSON."""

from importlib.metadata import version

from amaranth.lib.data import Layout

from sstdp_hw import __version__
from sstdp_hw.blocks.convolution import ConvParameters
from sstdp_hw.blocks.pooling import PoolParameters
from sstdp_hw.blocks.widths import index_width

from ..gateware.decision import RESULT
from ..gateware.parts.streams import event_layout, group_layout
from .golden import testbench_module

FORMAT_VERSION = 1
VERILOG_FILE = "accelerator.v"
TESTBENCH_FILE = "testbench.v"
NETWORK_FILE = "network.safetensors"
MANIFEST_FILE = "manifest.json"


def make_manifest(parameters, accelerator, verilog_sha256, yosys_version):
    """The manifest of one accelerator as a dict of plain JSON.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.hardware.AcceleratorParameters
    accelerator : Accelerator
    verilog_sha256, yosys_version : str
    """
    network = parameters.network
    return {
        "format_version": FORMAT_VERSION,
        "name": network.name,
        "top": parameters.top,
        "verilog": VERILOG_FILE,
        "verilog_sha256": verilog_sha256,
        "testbench": {"file": TESTBENCH_FILE, "module": testbench_module(parameters)},
        "network": {
            "file": NETWORK_FILE,
            "digest": network.digest,
            "input_shape": list(network.input_shape),
            "inputs": network.inputs,
            "classes": len(network.class_names),
            "class_names": list(network.class_names),
            "t_max": network.t_max,
        },
        "configuration": {
            "lanes": list(parameters.lanes),
            "pixels_per_beat": parameters.pixels_per_beat,
            "early_exit": parameters.configuration.early_exit,
            "name": parameters.configuration.name,
        },
        "ports": [
            {
                "name": port.name,
                "direction": "output"
                if any(port is output for output in accelerator.outputs)
                else "input",
                "width": len(port),
            }
            for port in accelerator.ports
        ],
        "clock": {"port": "aclk", "edge": "rising"},
        "reset": {"port": "aresetn", "active": "low", "kind": "synchronous"},
        "streams": {
            "s_axis": {
                "packet": "one image, pixels in C order, first pixel in the lowest byte, tlast "
                "on the last beat; bytes beyond the last pixel are ignored",
                "beats": parameters.beats,
            },
            "m_axis": {
                "packet": "one beat per image, in order",
                "fields": _fields(RESULT),
            },
        },
        "layers": [
            _layer(parameters.prefix, number, layer)
            for number, layer in enumerate(parameters.layers)
        ],
        "pooling": [
            {
                "name": block.name,
                "kind": block.kind,
                "inputs": block.inputs,
                "kernel": list(block.layer.kernel),
                "output_shape": list(block.shape),
            }
            for block in parameters.blocks
            if isinstance(block, PoolParameters)
        ],
        "cycle_model": {
            "bound": "max(beats, over layers: weight words fetched for input spikes up to the "
            "decision); a spike fetches groups of them, in a convolution at each position reached",
            "beats": parameters.beats,
            "groups": [layer.groups for layer in parameters.layers],
            "steps": network.t_max,
        },
        "probes": _probes(parameters),
        "tools": {
            "sstdp-hw": __version__,
            "amaranth": version("amaranth"),
            "yosys": yosys_version,
        },
    }


def _layer(prefix, number, layer):
    """A weighted layer."""
    found = {
        "name": layer.name,
        "kind": layer.kind,
        "inputs": layer.inputs,
        "neurons": layer.neurons,
        "lanes": layer.lanes,
        "groups": layer.groups,
        "weight_width": layer.weight_width,
        "membrane_width": layer.membrane_width,
    }
    if isinstance(layer, ConvParameters):
        found |= {
            "kernel": list(layer.layer.weight.shape[2:]),
            "stride": list(layer.layer.stride),
            "padding": list(layer.layer.padding),
            "output_shape": list(layer.shape),
        }
    return found | {"memories": _memories(prefix, number, layer)}


def _fields(layout: Layout):
    """Bit position and width of the fields of a layout, lowest first."""
    return [
        {"name": str(name), "lsb": field.offset, "width": field.width}
        for name, field in layout
        if field.width and name != "zero"
    ]


def _memories(prefix, number, layer):
    """Where weights and thresholds stand in the Verilog: module, and the place of a number in
    it."""
    return {
        "weights": {
            "module": f"{prefix}layer_{number}_weights",
            "rows": layer.weight_depth,
            "width": layer.weight_width,
            "row_of": layer.WEIGHT_ROW + "; lane in ascending bits",
        },
        "initial": {
            "module": f"{prefix}layer_{number}_initial",
            "rows": layer.groups,
            "width": layer.membrane_width,
            "row_of": "group; lane in ascending bits; the value is -threshold - 1",
        },
    }


def _probes(parameters):
    """Signals inside the top where spikes can be watched; valid at a rising clock edge."""
    step_width = parameters.step_width
    probes = [
        {
            "layer": "input",
            "scope": ["encoder"],
            "valid": "spikes_valid",
            "payload": "spikes",
            "fields": _fields(event_layout(index_width(len(parameters.pixel_order)), step_width)),
        }
    ]
    if not parameters.live.all():  # the pixel behind every index, -1 for none
        probes[0]["indices"] = parameters.pixel_order.tolist()
    for number, layer in enumerate(parameters.layers):
        shape = group_layout(
            layer.lanes, layer.spike_width, step_width, layer.membrane_width if layer.output else 0
        )
        probe = {
            "layer": layer.name,
            "scope": [f"layer_{number}"],
            "valid": "spikes_valid",
            "payload": "spikes",
            "fields": _fields(shape),
        }
        if isinstance(layer, ConvParameters):
            numbering = layer.leaving
            probe["map"] = {
                "shape": list(numbering.shape), "row": numbering.row, "column": numbering.column,
            }  # fmt: skip
        probes.append(probe)
    return probes
