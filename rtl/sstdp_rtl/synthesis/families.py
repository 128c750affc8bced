"""The families of FPGAs: one object each."""

from __future__ import annotations

from dataclasses import replace

from .carries import free_starts
from .family import Family, Packing, PlaceAndRoute, Resource
from .output_registers import merge_file

# Only nextpnr for ECP5 builds out of context. Ports that are none, except the clock, do the same:
# they take no pin, and paths from and to them are not timed.
_NO_PORTS = "delete -port {top}/* {top}/aclk %d"

# The generator marks the memories that are best made of LUT RAM; without a demand yosys may take
# block RAM where the port is synchronous.
_LUT_RAM = 'setattr -set ram_style "distributed" a:lut_ram'

# There is no LUT RAM: yosys takes block RAM where the port is synchronous and the memory is not
# tiny, and registers elsewhere. The mark must go, or it stays on cells and moves their places.
_NO_LUT_RAM = "setattr -unset lut_ram a:lut_ram"

# Memories that stand in iCE40's single-port RAM are ordinary memories elsewhere.
_SPRAM = 'setattr -set ram_style "huge" a:spram'
_NO_SPRAM = "setattr -unset spram a:spram"

ECP5 = Family(
    name="ECP5",
    synthesis="synth_ecp5",
    resources={
        # A 4-input LUT: logic, half of a carry cell, or 16 bits of LUT RAM.
        "lut": Resource(("TRELLIS_COMB",)),
        "ff": Resource(("TRELLIS_FF",)),
        "bram": Resource(("DP16KD",)),  # 18 kbit
        # 16 words of 4 bits; its 4 LUTs are counted in "lut".
        "lut_ram": Resource(("TRELLIS_RAMW",)),
        "multiplier": Resource(("MULT18X18D",)),
        "carry": Resource(mapped={"CCU2C": 1}),  # two bits each
    },
    lut_ram="$__TRELLIS_DPR16X4_",
    memories=f"{_LUT_RAM}\n{_NO_SPRAM}",
    netlist_pass=merge_file,
    place=PlaceAndRoute(
        tool="nextpnr-ecp5",
        pins="lpf",
        pins_option=lambda name: ("--lpf", name),
        bare_options=("--out-of-context",),
        packing=Packing(
            output="--textcfg",
            packer="ecppack",
            bitstream="accelerator.bit",
            # Compressed: a third of the size to flash, loaded by the same hardware.
            arguments=lambda _device, source, target: [
                *("--compress", "--input", source, "--bit", target)
            ],
            toolchain="Trellis",
        ),
    ),
    pll=True,
    global_reset=True,
)

ICE40 = Family(
    name="iCE40",
    synthesis="synth_ice40",
    resources={
        # A logic cell: one 4-input LUT, one flip-flop and one bit of carry.
        "lut": Resource(("ICESTORM_LC",)),
        "ff": Resource(
            mapped={
                f"SB_DFF{edge}{kind}": 1
                for edge in ("", "N")
                for kind in ("", "E", "SR", "R", "SS", "S", "ESR", "ER", "ESS", "ES")
            }
        ),
        "bram": Resource(("ICESTORM_RAM",)),  # 4 kbit, 16 bits wide
        "lut_ram": Resource(),
        "multiplier": Resource(("ICESTORM_DSP",), optional=True),  # only in UltraPlus
        "carry": Resource(mapped={"SB_CARRY": 1}),
    },
    memories=f"{_NO_LUT_RAM}\n{_NO_SPRAM}",
    bare=_NO_PORTS,
    place=PlaceAndRoute(
        tool="nextpnr-ice40",
        pins="pcf",
        pins_option=lambda name: ("--pcf", name),
        packing=Packing(
            output="--asc",
            packer="icepack",
            bitstream="accelerator.bin",
            arguments=lambda _device, source, target: [source, target],
            toolchain="IceStorm",
        ),
    ),
    models=("ice40/cells_sim.v",),
)

# The UltraPlus has single-port RAM, too; yosys must be told.
ICE40_ULTRAPLUS = replace(
    ICE40, synthesis="synth_ice40 -spram", memories=f"{_NO_LUT_RAM}\n{_SPRAM}"
)


def _gowin(series: str) -> Family:
    return Family(
        name=series.upper(),
        synthesis=f"synth_gowin -family {series}",
        resources={
            # Places of a 4-input LUT: logic, a register's input, LUT RAM, or one bit of carry.
            "lut": Resource(("LUT4", "ALU")),
            "ff": Resource(("DFF",)),
            "bram": Resource(("BSRAM",)),  # 18 kbit
            # 16 words of 4 bits; its 4 LUTs are counted in "lut".
            "lut_ram": Resource(("RAM16SDP4",)),
            "multiplier": Resource(("MULT18X18",)),
            "carry": Resource(mapped={"ALU": 1}),
        },
        lut_ram="$__GOWIN_LUTRAM_",
        memories=f"{_LUT_RAM}\n{_NO_SPRAM}",
        # The clock keeps its pin and the buffer of it.
        bare=f"{_NO_PORTS}\niopadmap -bits -inpad IBUF O:I {{top}}",
        bare_synthesis="-noiopads",
        place=PlaceAndRoute(
            tool="nextpnr-himbaechel-gowin",
            pins="cst",
            pins_option=lambda name: ("--vopt", f"cst={name}"),
            bare_pins='IO_LOC "aclk" {clock_pin};\n',
            packing=Packing(
                output="--write",
                packer="gowin_pack",
                bitstream="accelerator.fs",
                arguments=lambda device, source, target: ["-d", device.die, "-o", target, source],
                toolchain="Apicula",
            ),
            # nextpnr 0.11 takes no delays of BSRAM from Apicula's database.
            untimed="paths from and to block RAM",
        ),
        models=("gowin_block_ram.v", "gowin/cells_sim.v"),
    )


GW1N, GW2A = _gowin("gw1n"), _gowin("gw2a")

NEXUS = Family(
    name="Nexus",
    # Pads would be added for ports that lead nowhere.
    synthesis="synth_nexus -noiopad",
    resources={
        # A 4-input LUT: logic, half of a carry cell, or 16 bits of LUT RAM.
        "lut": Resource(("OXIDE_COMB",)),
        "ff": Resource(("OXIDE_FF",)),
        "bram": Resource(("OXIDE_EBR",)),  # 18 kbit
        # 16 words of 4 bits; its 4 LUTs are counted in "lut".
        "lut_ram": Resource(("RAMW",)),
        "multiplier": Resource(("MULT9_CORE",)),  # 9 by 9 bits; larger ones are several
        "carry": Resource(mapped={"CCU2": 1}),  # two bits each
    },
    lut_ram="$__NEXUS_DPR16X4_",
    memories=f"{_LUT_RAM}\n{_NO_SPRAM}",
    netlist_pass=free_starts,
    bare=f"{_NO_PORTS}\niopadmap -bits -inpad IB O:I {{top}}",
    place=PlaceAndRoute(
        tool="nextpnr-nexus",
        pins="pdc",
        pins_option=lambda name: ("--pdc", name),
        # router2, the default, finds no way from the clock's pin to its buffer.
        bare_options=("--router", "router1"),
        bare_pins="ldc_set_location -site {{{clock_pin}}} [get_ports {{aclk}}]\n",
    ),
)

GATEMATE = Family(
    name="GateMate",
    # LUT trees are what nextpnr takes; it knows no cell of eight inputs. No pads: as above.
    synthesis="synth_gatemate -luttree -nomx8 -noiopad",
    resources={
        # Half of a CPE: a tree of LUTs with four inputs, or the input of a register. Adders and
        # multiplexers of four take both halves.
        "lut": Resource(("CPE_LT",), {"CPE_ADDF": 2, "CPE_ADDF2": 2, "CPE_MX4": 2}),
        "ff": Resource(("CPE_FF",)),
        # 20 kbit. After placement nextpnr counts two of them in one place as one.
        "bram": Resource(("RAM_HALF",), mapped={"CC_BRAM_20K": 1, "CC_BRAM_40K": 2}),
        "lut_ram": Resource(),
        "multiplier": Resource(mapped={"CC_MULT": 1}),  # made of CPEs
        "carry": Resource(mapped={"CC_ADDF": 1}),
    },
    memories=f"{_NO_LUT_RAM}\n{_NO_SPRAM}",
    bare=f"{_NO_PORTS}\niopadmap -bits -inpad CC_IBUF Y:I {{top}}",
    place=PlaceAndRoute(
        tool="nextpnr-himbaechel-gatemate",
        pins="ccf",
        pins_option=lambda name: ("--vopt", f"ccf={name}"),
        # With wires through unused CPEs nextpnr 0.11 crashes after routing, with some seeds.
        bare_options=("--vopt", "no-bridges"),
        bare_pins='NET "aclk" Loc = "{clock_pin}";\n',
    ),
)

XILINX7 = Family(
    name="7-series",
    # Pads and clock buffers would be added for ports that lead nowhere.
    synthesis="synth_xilinx -family xc7 -flatten -noiopad -noclkbuf",
    resources={
        # A 6-input LUT: logic, LUT RAM or a shift register.
        "lut": Resource(
            mapped={
                **{f"LUT{inputs}": 1 for inputs in range(1, 7)},
                "INV": 1,
                "SRL16E": 1,
                "SRLC32E": 1,
                "RAM32M": 4,
                "RAM64M": 4,
                "RAM32X1D": 2,
                "RAM64X1D": 2,
                "RAM128X1D": 4,
                "RAM256X1S": 4,
            }
        ),
        "ff": Resource(mapped={"FDRE": 1, "FDSE": 1, "FDCE": 1, "FDPE": 1}),
        "bram": Resource(mapped={"RAMB18E1": 1, "RAMB36E1": 2}),  # 18 kbit
        "lut_ram": Resource(mapped={"RAM32M": 1, "RAM64M": 1, "RAM32X1D": 1, "RAM64X1D": 1}),
        "multiplier": Resource(mapped={"DSP48E1": 1}),
        "carry": Resource(mapped={"CARRY4": 1}),  # four bits each
    },
    lut_ram="$__XILINX_LUTRAM_",
    memories=f"{_LUT_RAM}\n{_NO_SPRAM}",
)
