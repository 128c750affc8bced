"""Amaranth gateware of the accelerator and its generator."""
