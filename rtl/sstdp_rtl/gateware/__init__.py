"""The accelerator in Amaranth: one component a block, composed by `accelerator`."""
