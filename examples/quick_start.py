# %% [markdown]
# # From a ready network to simulated hardware
#
# A ready network becomes Verilog, and images go through it in Verilator.

# %%
from sstdp_hw import Configuration, Network
from sstdp_hw.data import datasets
from sstdp_rtl import generate
from sstdp_sim import Accelerator

# %%
images = datasets.load("digits").images[:100]
network = Network.load("ready:digits-64-64-10-4bit")
generate(network, Configuration(lanes=(16, 10)), "build/quick-start")

# %% [markdown]
# The first call compiles the simulator. Cycles are those between two answers.

# %%
with Accelerator("build/quick-start") as accelerator:
    answers = accelerator.predict(images)
    print(answers.classes, f"{answers.cycles.mean():.0f} cycles per image")
