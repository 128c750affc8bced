"""The parameters of the hardware: one object a block, from which every width follows."""
