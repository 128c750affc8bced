"""What every other wing stands on: errors, files, progress, tables, FPGA tools."""
