"""One engine for all layers: it runs one through all steps, then goes on to the next."""
