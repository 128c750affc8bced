"""The gateware around the accelerator on a board: clock, serial port and bridge."""
