# %% [markdown]
# # A proof record, and how anybody checks it

# %%
from sstdp_hw import Configuration, Network
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.data import datasets
from sstdp_rtl import generate
from sstdp_sim import cosimulate
from sstdp_sim.comparison.record import check, publish

# %%
# Who makes the hardware: `sstdp-hw generate` and `sstdp-hw simulate` do the same.
generate(Network.load("ready:digits-64-64-10-4bit"), Configuration(lanes=(16, 10)), "build/proven")
directory, samples = GeneratedDirectory.load("build/proven"), datasets.load("digits").first(200)
report = cosimulate(directory, samples.images, samples.labels)
report.result.update(dataset="digits", dataset_digest=samples.digest)
publish(directory, report)

# %%
# Who gets the folder: `sstdp-hw verify record build/proven --rerun 50`. Hashes of all files, counts
# and the reference's answers are taken again, and some images are simulated again.
record = check(directory.path, rerun=50)
print(f"{record['images']} images, {record['mismatches']} mismatches, {record['simulator']}")
print(f"network {record['network_digest'][:12]}, data {record['dataset']['digest'][:12]}")
print(f"checked {record['reference_checked']}, simulated again {record['simulated_again']}")
