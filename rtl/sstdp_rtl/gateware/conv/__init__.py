"""Convolution, event-driven: a spike walks the positions it reaches."""
