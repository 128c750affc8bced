"""From a network and a configuration to a folder with Verilog and its manifest."""
