"""Random networks of convolution, pooling and dense layers: those of `sstdp_hw.cases`."""

from sstdp_hw.cases.convolutional import random_conv, random_conv_case

__all__ = ["random_conv", "random_conv_case"]
