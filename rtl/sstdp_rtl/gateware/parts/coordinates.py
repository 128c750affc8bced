"""From the index of an event to the coordinates of the neuron that fired."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .rom import Rom


class Coordinates(wiring.Component):
    """Takes an index a cycle and never waits.

    Behind a convolution or a pooling layer coordinates are fields of the index. The encoder numbers
    its events otherwise: a table has the coordinates then.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.convolution.ConvParameters or PoolParameters
    name : str
        Prefix of the ROM module's name.

    Members
    -------
    index : In
    channel, x, y : Out
        Of the index `places_latency` cycles ago.
    """

    def __init__(self, parameters, name):
        self.p, self.name = parameters, name
        widths = parameters.arriving.widths
        super().__init__(
            {
                "index": In(parameters.index_width),
                **{
                    name: Out(max(1, width))
                    for name, width in zip(("channel", "x", "y"), widths, strict=True)
                },
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        place = self.index
        if p.places is not None:
            rows = [max(0, int(place)) for place in p.places]
            m.submodules.places = places = Rom(
                f"{self.name}_places", p.arriving.index_width, rows, style=p.places_style
            )
            m.d.comb += places.addr.eq(self.index)
            place = places.data
        low = 0
        for signal, width in zip((self.channel, self.x, self.y), p.arriving.widths, strict=True):
            m.d.comb += signal.eq(place[low : low + width])
            low += width
        return m


def delayed(m, value, cycles, name):
    """``value`` of so many cycles ago."""
    if cycles < 0:
        raise ValueError(f"Cycles of a delay must be at least 0, not {cycles}: {name}")
    for stage in range(cycles):
        later = Signal.like(value, name=f"{name}_{stage + 1}")
        m.d.sync += later.eq(value)
        value = later
    return value
