"""The registers of an accelerator behind a bus as a C header."""

from sstdp_hw.contract.external_memory import external_image
from sstdp_hw.contract.registers import IDENTITY, digest_words, registers_of, version_of


def c_header(front):
    """The header as text: offsets and fields, the same for all accelerators with weights on the
    chip, and for all with weights outside; and the figures of this one. The same parameters give
    the same bytes.

    Parameters
    ----------
    front : sstdp_hw.blocks.bus_front.BusFrontParameters
    """
    parameters = front.accelerator
    network, top = parameters.network, parameters.top.upper()
    guard = f"SSTDP_{top}_H"
    figures = {
        "INPUTS": parameters.pixels, "SAMPLE_WORDS": front.sample_words,
        "INPUT_WORDS": front.input_depth, "CLASSES": len(network.class_names),
        "T_MAX": network.t_max, "EVENTS": int(front.events),
    }  # fmt: skip
    told = [
        "/* This accelerator: inputs, words of a sample, words the input queue holds, classes,",
        "   time steps, whether a word is an event, digest of the network. */",
    ]
    if front.memory:
        figures["MEMORY_BYTES"] = len(external_image(parameters))
        figures["MEMORY_BASE"] = front.memory.base
        told[1:] = [
            "   time steps, whether a word is an event, bytes of the weights in their memory and",
            "   where they begin if nobody writes BASE, digest of the network. */",
        ]
    version = version_of(front.memory is not None)
    registers = "SSTDP_REGISTERS_{major}_{minor}".format_map(version)
    digest = ", ".join(f"0x{word:08x}u" for word in digest_words(network.digest))
    lines = [
        f"/* Registers of {front.top}, generated: generate again to change anything.",
        f"   network {network.digest} */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "#include <stdint.h>",
        "",
        f"#ifndef {registers}",
        f"#define {registers}",
        *_registers(front.memory is not None),
        "#endif",
        "",
        *told,
        *(f"#define {top}_{name} {value}u" for name, value in figures.items()),
        f"#define {top}_DIGEST {{{digest}}}",
        "",
        "#endif",
    ]
    return "\n".join([*lines, ""])


def _registers(external):
    """Byte offsets, and for every field its lowest bit and its bits in the word."""
    yield f"#define SSTDP_IDENTITY 0x{IDENTITY:08x}u"
    for register in registers_of(external):
        many = f" ({register.count} of them)" if register.count > 1 else ""
        yield f"/* {register.access}{many}: {register.meaning} */"
        yield f"#define SSTDP_{register.name} 0x{register.offset:02x}u"
        for field in register.fields:
            name = f"SSTDP_{register.name}_{field.name.upper()}"
            yield f"#define {name}_SHIFT {field.offset}u"
            yield f"#define {name}_MASK 0x{((1 << field.width) - 1) << field.offset:08x}u"
