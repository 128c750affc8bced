"""From a generated accelerator to utilisation, timing and a bitstream, with yosys and nextpnr.

`implement` builds the bare accelerator for a device, `build` a bitstream for a board. Both return a
`BuildResult`, both keep what they made in a cache.
"""
