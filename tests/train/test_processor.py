"""Training ends at the same bits whatever vector instructions a processor has."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from sstdp_train.backends.native.errors import normalize_errors
from sstdp_train.backends.native.product import product
from sstdp_train.rule import processor

TRAIN = """
import sys, numpy as np
from sstdp_hw.data.datasets import Samples
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_train import Recipe, train
rng = np.random.default_rng(7)
samples = Samples("noise", rng.integers(0, 256, (64, 1, 8, 8), np.uint8), np.arange(64) % 4, tuple("abcd"))
recipe = Recipe(layers=(24,), epochs=1, batch_size=8, bending=0.3, normalize_error=True)
told = train(recipe, samples, None, out=sys.argv[1], device="cpu", backend="native")
print(told["versions"]["vector_instructions"])
"""  # noqa: E501


def trained(out, **environment):
    kept = {name: value for name, value in os.environ.items() if name != processor.VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(out)], env={**kept, **environment}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    weights = (out / "checkpoint.pt").exists() and (out / "float.safetensors").exists()
    assert weights
    from sstdp_hw.network.float_network import FloatNetwork

    found = b"".join(layer.weight.tobytes() for _, layer in FloatNetwork.load(out).weighted)
    return hashlib.sha256(found).hexdigest(), done.stdout.strip()


@pytest.mark.skipif(not processor._can("avx2"), reason="a processor without AVX2")
def test_the_same_weights_with_the_instructions_of_other_processors(tmp_path):
    """What differs between x86-64 processors is asked for by environment variables: of numba, of
    PyTorch's matrix library and of numpy."""
    here = trained(tmp_path / "here")
    assert here[1] == "AVX2"
    generic = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "MKL_CBWR": "COMPATIBLE"}
    assert trained(tmp_path / "generic", **generic) == here


def test_the_level_is_what_the_processor_has(monkeypatch):
    monkeypatch.setattr(processor, "_can", lambda level: level == "default")
    monkeypatch.setattr(processor.platform, "machine", lambda: "x86_64")
    for asked in ("avx512", "avx2", "default"):
        monkeypatch.setenv(processor.VARIABLE, asked)
        processor.settle()
        assert os.environ[processor.VARIABLE] == "default"
    monkeypatch.setattr(processor, "_can", lambda level: True)
    monkeypatch.delenv(processor.VARIABLE)
    processor.settle()
    assert os.environ[processor.VARIABLE] == "avx2"


def test_a_product_is_a_chain_of_fused_multiply_adds():
    """In float64 a product of two float32 is exact, and one rounding is left to float32; sums that
    float64 has to round first are kept out by few bits."""
    rng = np.random.default_rng(1)
    left = rng.integers(-4096, 4096, (5, 67)).astype(np.float32) / 4096
    right = rng.integers(-4096, 4096, (67, 40)).astype(np.float32) / 4096
    expected = np.zeros((5, 40), np.float32)
    for k in range(67):
        exact = np.float64(left[:, k, None]) * right[None, k] + expected
        expected = exact.astype(np.float32)
    found = product(torch.from_numpy(left), torch.from_numpy(right)).numpy()
    assert np.array_equal(found, expected)


def test_an_error_is_normalized_in_a_fixed_order():
    error = np.random.default_rng(2).normal(size=333).astype(np.float32)
    length = np.float32(np.sqrt(np.cumsum(error.astype(np.float64) ** 2)[-1]))
    expected = error / ((length + np.float32(1e-10)) * np.float32(8))
    normalize_errors(error, 8)
    assert np.array_equal(error, expected)
