"""Network file, quantization, integer reference, cost model and command line of sstdp-hw."""
