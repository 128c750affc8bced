"""Random networks with configurations and samples: what hardware must answer as the reference."""
