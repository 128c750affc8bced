"""The SSTDP rule as an autograd function."""
