"""The manifest: everything that a consumer of the Verilog has to know, as JSON."""

from importlib.metadata import version

from sstdp_hw import __version__
from sstdp_hw.blocks.bus_front import ANSWER_DEPTH, BusFrontParameters
from sstdp_hw.blocks.sequential.layer import SequentialLayer
from sstdp_hw.contract.answer import answer_fields
from sstdp_hw.contract.bus_ports import bus_ports
from sstdp_hw.contract.event_packets import EVENT
from sstdp_hw.contract.events import event_fields, group_fields
from sstdp_hw.contract.external_memory import external_json
from sstdp_hw.contract.fields import to_json
from sstdp_hw.contract.file_names import (
    BUS_FILE,
    HEADER_FILE,
    NETWORK_FILE,
    TESTBENCH_FILE,
    VERILOG_FILE,
)
from sstdp_hw.contract.manifest import FORMAT_VERSION
from sstdp_hw.contract.memory_image import STATUS, memory_json, words_of_an_image
from sstdp_hw.contract.ports import ports_of
from sstdp_hw.contract.registers import registers_json

from .golden import testbench_module


def make_manifest(parameters, verilog_sha256, yosys_version, bus_sha256=None):
    """The manifest of one accelerator as a dict of plain JSON.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.hardware.AcceleratorParameters
    verilog_sha256, yosys_version : str
    bus_sha256 : str, optional
        Of registers and queues, if there are any.
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
            "input": {"kind": network.input_kind},
            "inputs": network.pixels,
            "planes": network.planes,
            "classes": len(network.class_names),
            "class_names": list(network.class_names),
            "t_max": network.t_max,
        },
        "configuration": {
            "lanes": list(parameters.lanes),
            "pixels_per_beat": parameters.pixels_per_beat,
            "early_exit": parameters.configuration.early_exit,
            "name": parameters.configuration.name,
            **_loading_configuration(parameters),
            **_architecture(parameters),
            **({"bus": parameters.configuration.bus} if bus_sha256 else {}),
        },
        "ports": [port._asdict() for port in ports_of(parameters)],
        "clock": {"port": "aclk", "edge": "rising"},
        "reset": {"port": "aresetn", "active": "low", "kind": "synchronous"},
        "streams": {
            "s_axis": PACKETS[parameters.input.kind](parameters),
            "m_axis": {
                "packet": "one beat per image, in order",
                "fields": to_json(answer_fields(parameters)),
            },
            **_loading_streams(parameters),
        },
        **({"bus": _bus(BusFrontParameters(parameters), bus_sha256)} if bus_sha256 else {}),
        **({"memories": memory_json(parameters)} if parameters.store.loaded else {}),
        **({"external_memory": external_json(parameters)} if parameters.store.external else {}),
        "layers": [
            _layer(parameters.prefix, number, layer)
            for number, layer in enumerate(parameters.layers)
        ],
        "pooling": [FILTER_FIELDS[block.kind](block) for block in parameters.pooling],
        "cycle_model": {
            **_bound(parameters),
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


#: By the architecture: fewest cycles of an image.
BOUNDS = {
    "streaming": "max(beats, over layers: weight words fetched for input spikes up to the "
    "decision); a spike fetches groups of them, in a convolution at each position reached",
    "sequential": "max(beats, sum over layers of the weight words fetched for input spikes, in the "
    "output layer up to the decision); a spike fetches groups of them, in a convolution at each "
    "position reached",
}


def _bound(parameters):
    """What an image takes at least, in words, and the beats of weights that are fetched for it or
    its batch."""
    text = BOUNDS[parameters.configuration.architecture]
    if not parameters.store.external:
        return {"bound": text}
    batch = parameters.tiled.batch
    fetched = "weight_beats / batch" if batch > 1 else "weight_beats"
    return {
        "bound": text.replace("max(beats, ", f"max(beats, {fetched}, "),
        "weight_beats": parameters.tiled.plan.fetched_beats,
        **({"batch": batch} if batch > 1 else {}),
    }


def _bus(front, sha256):
    """The accelerator behind a bus: another file, another top, with registers for the streams."""
    return {
        "kind": front.bus,
        "file": BUS_FILE,
        "sha256": sha256,
        "top": front.top,
        "header": HEADER_FILE,
        "ports": [port._asdict() for port in bus_ports(front.bus, front.memory_width)],
        "word": "an event" if front.events else "four pixels, the first in the lowest byte",
        "sample_words": front.sample_words,
        "input_words": front.input_depth,
        "room_words": front.room,
        "answers": ANSWER_DEPTH,
        "registers": registers_json(front.memory is not None),
    }


def _architecture(parameters):
    """How the accelerator computes, where that is not the streaming way."""
    if not parameters.configuration.sequential:
        return {}
    return {"architecture": parameters.configuration.architecture}


def _loading_configuration(parameters):
    """What was chosen of weights that are no constants."""
    chosen = parameters.configuration
    if parameters.store.external:
        return {
            "weights": chosen.weights,
            "memory_width": chosen.memory_width,
            "weight_buffer": chosen.weight_buffer,
            "base_address": chosen.base_address,
            "potential_memory": chosen.potential_memory,
            **({"base_port": True} if chosen.base_port else {}),
            **({"batch": chosen.batch} if chosen.batch > 1 else {}),
        }
    if not parameters.store.loaded:
        return {}
    return {
        "weights": parameters.configuration.weights,
        "membrane_width": list(parameters.membrane_widths),
        "spram": parameters.configuration.spram,
    }


def _loading_streams(parameters):
    """The stream that brings weights, and the status; nothing if they are constants."""
    if not parameters.store.loaded:
        return {}
    return {
        "s_axis_weights": {
            "packet": "one image of the memories, see memories; tlast on its last word",
            "beats": words_of_an_image(parameters),
        },
        "weights_status": {"fields": to_json(STATUS)},
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
    found |= LAYER_FIELDS[layer.kind](layer)
    return found | {"memories": _memories(prefix, number, layer)}


def _dense_fields(layer):
    return {}


def _conv_fields(layer):
    return {
        "kernel": list(layer.layer.weight.shape[2:]),
        **layer.layer.geometry(),
        "output_shape": list(layer.shape),
    }


def _pool_fields(block):
    return {
        "name": block.name,
        "kind": block.kind,
        "inputs": block.inputs,
        **block.layer.geometry(),
        "output_shape": list(block.shape),
    }


def _image_packet(parameters):
    return {
        "packet": "one image, pixels in C order, first pixel in the lowest byte, tlast "
        "on the last beat; bytes beyond the last pixel are ignored",
        "beats": parameters.beats,
    }


def _event_packet(parameters):
    return {
        "packet": "one inference, an event a beat, steps never decreasing, tlast on the last beat; "
        "a beat with a step of t_max or more is no event",
        "beats": parameters.beats,
        "fields": to_json(EVENT),
    }


#: By the kind of the accelerator's input: what a packet of the input stream is, and how many beats
#: it has; of events at most, if none is repeated.
PACKETS = {"pixels": _image_packet, "spikes": _event_packet}

#: By the kind of a weighted block: what the manifest says of it alone.
LAYER_FIELDS = {"dense": _dense_fields, "conv2d": _conv_fields}

#: By the kind of a block that only passes spikes on: its entry.
FILTER_FIELDS = {"pool2d": _pool_fields}


def _memories(prefix, number, layer):
    """Where weights and thresholds stand in the Verilog: module, and the place of a number in
    it."""
    if isinstance(layer, SequentialLayer):
        return _engine_memories(prefix, layer)
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


def _engine_memories(prefix, layer):
    """The same in an accelerator whose layers share their memories; weights in an external memory
    have no module."""
    weights = {} if layer.store.external else {"module": f"{prefix}engine_weights"}
    return {
        "weights": {
            **weights,
            "first_row": layer.weight_base,
            "rows": layer.weight_depth,
            "width": layer.weight_width,
            "row_of": layer.WEIGHT_ROW + "; lane in ascending bits",
        },
        "initial": {
            "module": f"{prefix}engine_initial",
            "first_row": layer.initial_base,
            "rows": layer.groups,
            "width": layer.membrane_width,
            "row_of": "first row + group; lane in ascending bits; the value is -threshold - 1",
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
            "fields": to_json(event_fields(parameters.input.index_width, step_width)),
        }
    ]
    if parameters.input.reorders:  # the input behind every index, -1 for none
        probes[0]["indices"] = parameters.input.order.tolist()
    for number, layer in enumerate(parameters.layers):
        shows = layer.output and not parameters.configuration.sequential
        fields = group_fields(
            layer.lanes, layer.spike_width, step_width, layer.membrane_width if shows else 0
        )
        scope, valid = f"layer_{number}", "spikes_valid"
        if parameters.configuration.sequential:  # one for all layers
            scope, valid = "engine", f"spikes_valid_{number}"
        probe = {
            "layer": layer.name,
            "scope": [scope],
            "valid": valid,
            "payload": "spikes",
            "fields": to_json(fields),
        }
        if (numbering := layer.leaving) is not None:
            probe["map"] = {
                "shape": list(numbering.shape), "row": numbering.row, "column": numbering.column,
            }  # fmt: skip
        probes.append(probe)
    return probes
