"""Co-simulation of a generated accelerator against the integer reference."""
