"""The accelerator behind a bus, in simulation: compiled, driven, and under random traffic."""
