"""Registers and queues between a processor's bus and the accelerator."""
