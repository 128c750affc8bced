"""What the generator and all who use a generated accelerator agree on: the files of its folder, the
reading of its manifest, its ports, and what travels on its streams."""
