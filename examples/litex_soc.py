# %% [markdown]
# # In a LiteX SoC
#
# The accelerator as a slave on LiteX's Wishbone bus, with its interrupt. The system here has no
# processor, so that it can be simulated as it is: a master outside of it, on its pins, does what
# the program of one would.

# %%
from litex.build.generic_platform import Pins, Subsignal
from litex.build.io import CRG
from litex.build.sim import SimPlatform
from litex.gen import LiteXModule
from litex.soc.integration.soc import SoCRegion
from litex.soc.integration.soc_core import SoCMini
from litex.soc.interconnect import wishbone
from migen import ClockSignal, Instance, Record, ResetSignal

from sstdp_hw import Configuration, Network
from sstdp_hw.contract.bus_driver import packet_words
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.data import datasets
from sstdp_hw.reference import inference as reference
from sstdp_rtl import generate
from sstdp_sim.bus.simulation import BusSimulation

FOLDER, BYTES = "build/litex", 256
BASE = 0x90000000  # where LiteX's processors do not cache: 0x80000000 and above for most

# %% [markdown]
# `sstdp-hw generate ready:digits-64-64-10-4bit --bus wishbone --lanes 16,10` makes the same folder.

# %%
network = Network.load("ready:digits-64-64-10-4bit")
generate(network, Configuration(lanes=(16, 10), bus="wishbone"), FOLDER)

# %% [markdown]
# What a system of your own takes: the module, and a few lines for it. Its registers are those of
# docs/bus.md and not LiteX's CSRs; a program finds them by `ACCELERATOR_BASE` of LiteX's `mem.h`
# and the offsets of `accelerator.h`.


# %%
class SpikingAccelerator(LiteXModule):
    """A folder that was generated with `--bus wishbone`; LiteX looks for the interrupt in `ev`."""

    def __init__(self, platform, folder):
        self.bus = bus = wishbone.Interface(address_width=32, data_width=32, addressing="word")
        self.ev = Record([("irq", 1)])
        inputs = {name: getattr(bus, name) for name in ("cyc", "stb", "we", "sel", "dat_w")}
        outputs = {name: getattr(bus, name) for name in ("dat_r", "ack", "err")}
        self.specials += Instance(
            "accelerator_wishbone",
            i_aclk=ClockSignal(), i_aresetn=~ResetSignal(), o_irq=self.ev.irq, i_wb_adr=bus.adr[:6],
            **{f"i_wb_{name}": signal for name, signal in inputs.items()},
            **{f"o_wb_{name}": signal for name, signal in outputs.items()},
        )  # fmt: skip
        for file in ("accelerator.v", "accelerator_bus.v"):
            platform.add_source(f"{folder}/{file}")


def add_accelerator(soc, folder, base):
    """Into any SoC, with a processor or without."""
    soc.accelerator = SpikingAccelerator(soc.platform, folder)
    region = SoCRegion(origin=base, size=BYTES, cached=False)
    soc.bus.add_slave("accelerator", soc.accelerator.bus, region)
    if soc.irq.enabled:  # there is a processor that takes interrupts
        soc.irq.add("accelerator", use_loc_if_exists=True)


# %% [markdown]
# The system: the accelerator beside LiteX's own registers, and a bus master on pins
# that are named like the accelerator's own ports.

# %%
WIDTHS = {
    "adr": 30, "dat_w": 32, "dat_r": 32, "sel": 4, "cyc": 1, "stb": 1, "we": 1, "ack": 1, "err": 1,
    "cti": 3, "bte": 2,
}  # fmt: skip
PINS = [
    *((name, 0, Pins(1)) for name in ("aclk", "aresetn", "irq")),
    ("wb", 0, *(Subsignal(name, Pins(width)) for name, width in WIDTHS.items())),
]
platform = SimPlatform("SIM", PINS)
soc = SoCMini(platform, clk_freq=int(100e6))
soc.crg = CRG(platform.request("aclk"), rst=~platform.request("aresetn"))
pins, host = platform.request("wb"), wishbone.Interface(address_width=32, addressing="word")
soc.comb += host.connect_to_pads(pins, mode="slave")
soc.bus.add_master("host", host)
add_accelerator(soc, FOLDER, BASE)
soc.comb += platform.request("irq").eq(soc.accelerator.ev.irq)
soc.finalize()
verilog = platform.get_verilog(soc, name="sim").main_source

# %% [markdown]
# The system's Verilog and the accelerator's in Verilator; each image is sent over the bus, and its
# answer is fetched when the interrupt says that it is there.

# %%
directory, images = GeneratedDirectory.load(FOLDER), datasets.load("digits").images[:20]
packets = [[packet_words(image, network.input_kind, network.t_max)] for image in images]
with BusSimulation(directory, {"sim.v": verilog}, top="sim") as simulation:
    found = simulation.play(
        "drive", base=BASE, digest=network.digest, groups=packets, hold=True, interrupt=True
    )
classes = [word & 0xFF for word, cycles in found["replies"]]
same = sum(classes == reference.run(network, images).classes)
print(f"{same} of {len(images)} answers are those of the reference")
