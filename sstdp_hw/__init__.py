"""Network file, quantization, integer reference, cost model and command line of sstdp-hw."""

__version__ = "0.1.0"
