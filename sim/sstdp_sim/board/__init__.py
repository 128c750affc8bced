"""A board on a serial port, or its simulation: the host's side."""
