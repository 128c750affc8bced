"""Independent tasks, here or on a cluster: one interface, the same answers."""
