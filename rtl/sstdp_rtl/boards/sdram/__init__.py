"""An SDRAM beside the FPGA: its times, its controller, its pins, and what fills it with weights."""
