"""Data sets: labelled images from files, caches and the network."""
