"""Networks as data: layers, their shapes, and the files they are kept in."""
