"""The external memory of an accelerator's weights: what it holds, and a model of it in Verilog."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..base.templates import filled
from ..blocks.hardware import AcceleratorParameters
from .ports import BASE_PORT, MEMORY_PREFIX, memory_ports

TEMPLATE = Path(__file__).with_name("memory_model.template.v")

#: The module of the model.
MODEL = "axi_memory"


def external_image(parameters: AcceleratorParameters) -> bytes:
    """What stands in the memory from the base address on."""
    return parameters.tiled.image()


def external_json(parameters: AcceleratorParameters) -> dict[str, Any]:
    """What the manifest says of the memory."""
    plan, image = parameters.tiled.plan, external_image(parameters)
    ends = plan.offsets[1:]
    return {
        "base_address": plan.base,
        "bytes": len(image),
        "sha256": hashlib.sha256(image).hexdigest(),
        "bytes_per_image": parameters.tiled.image_bytes,
        **({"bytes_per_batch": plan.fetched_bytes} if parameters.tiled.batch > 1 else {}),
        "data_width": plan.bus.data_width,
        "longest_burst": plan.bus.longest,
        "outstanding_bursts": plan.bus.outstanding,
        "timeout_cycles": plan.bus.timeout,
        "row_width": plan.row_bits,
        "beats_per_row": plan.row_beats,
        "buffer_bits": 2 * plan.half_rows * plan.row_bits,
        "tiles": [
            {
                "layer": tile.layer, "first_group": tile.first_group, "groups": tile.groups,
                "rows": tile.rows, "offset": first, "beats": plan.beats(tile),
                "crc": zlib.crc32(image[first:end]),
            }
            for tile, first, end in zip(plan.tiles, plan.offsets, ends, strict=False)
        ],
        "crc": "CRC-32 of the bytes from the tile's offset to the next one's, or to the end (zlib)",
    }  # fmt: skip


def beats_of(parameters: AcceleratorParameters, flipped: int | None = None) -> list[int]:
    """The memory as beats of its bus, perhaps with the bit of that number flipped."""
    size, image = parameters.tiled.plan.bus.beat_bytes, bytearray(external_image(parameters))
    if flipped is not None:
        image[flipped // 8] ^= 1 << flipped % 8
    return [
        int.from_bytes(image[place : place + size], "little")
        for place in range(0, len(image), size)
    ]


def memory_model(parameters: AcceleratorParameters, module: str, contents: str) -> str:
    """Verilog of a memory with the accelerator's weights.

    Parameters
    ----------
    module : str
    contents : str
        Lines that fill ``words``, a beat each.
    """
    plan = parameters.tiled.plan
    return filled(
        TEMPLATE, module=module, width=plan.bus.data_width, words=plan.size // plan.bus.beat_bytes,
        base=plan.base, shift=plan.bus.beat_shift, pause=plan.bus.timeout + 64, contents=contents,
    )  # fmt: skip


def memory_instance(width: int, model: str, name: str, controls: Mapping[str, str]) -> str:
    """Verilog of the wires of a bus, named as its channels, and of a `memory_model` on it.

    Parameters
    ----------
    width : int
        Bits of a beat.
    model, name : str
        Module, and instance.
    controls : mapping of str to str
        What is connected to the model's other ports.
    """
    bus = {port.name.removeprefix(MEMORY_PREFIX): port.width for port in memory_ports(width)}
    wires = [
        f"  wire {f'[{bits - 1}:0] ' if bits > 1 else ''}{channel};"
        for channel, bits in bus.items()
    ]
    connected = {**controls, **{channel: channel for channel in bus}}
    ports = ",\n".join(f"    .{port}({value})" for port, value in connected.items())
    return "\n".join([*wires, f"  {model} {name} (", f"{ports});", ""])


def memory_connections(width: int, base: int | None = None) -> str:
    """Verilog of the accelerator's ports on these wires, behind its other ports; ``base`` is what
    its port is told where the weights begin, if it has one."""
    channels = (port.name.removeprefix(MEMORY_PREFIX) for port in memory_ports(width))
    connected = {f"{MEMORY_PREFIX}{channel}": channel for channel in channels}
    if base is not None:
        connected[BASE_PORT.name] = f"{BASE_PORT.width}'h{base:x}"
    return "".join(f",\n    .{port}({value})" for port, value in connected.items())


def told_base(parameters: AcceleratorParameters) -> int | None:
    """What the port of the base address is told in simulation; None without one."""
    configuration = parameters.configuration
    return configuration.base_address if configuration.base_port else None
