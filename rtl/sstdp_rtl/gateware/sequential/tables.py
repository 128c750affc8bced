"""What differs from layer to layer of the engine, as constants and small tables."""

from amaranth.hdl import Cat, Const, Signal, unsigned
from amaranth.lib import data

from sstdp_hw.blocks.widths import index_width

from ..parts.coordinates import delayed
from ..parts.rom import Rom


def by_layer(m, layer, values, name, width=None):
    """The number of the present layer, in ``width`` bits; negative ones in two's complement."""
    width = index_width(max(values) + 1) if width is None else width
    values = [value & (1 << width) - 1 for value in values]
    if len(set(values)) == 1:
        return Const(values[0], width)
    found = Signal(width, name=name)
    with m.Switch(layer):
        for number, value in enumerate(values[:-1]):
            with m.Case(number):
                m.d.comb += found.eq(value)
        with m.Default():
            m.d.comb += found.eq(values[-1])
    return found


def table(m, name, layer, coordinate, fields, style, latency):
    """A table by layer and coordinate; what it holds, of ``latency`` cycles ago.

    Parameters
    ----------
    fields : dict of list of list of int
        By name, for every layer and every coordinate of it.
    style : str
        Of the memory; it may be faster than ``latency``.
    """
    size = 1 << len(coordinate)
    shape = data.StructLayout(
        {key: unsigned(index_width(max(map(max, values)) + 1)) for key, values in fields.items()}
    )
    rows = []
    for number in range(len(next(iter(fields.values())))):
        columns = [values[number] for values in fields.values()]
        rows += [
            shape.const(dict(zip(fields, row, strict=True))).as_value().value
            for row in zip(*columns, strict=True)
        ]
        rows += [0] * ((number + 1) * size - len(rows))
    # One bank, however deep: several would take a cycle more.
    m.submodules[name] = found = Rom(
        f"engine_{name}", shape.size, rows, style=style, bank_rows=len(rows)
    )
    m.d.comb += found.addr.eq(Cat(coordinate, layer))
    return data.View(shape, delayed(m, found.data, latency - found.latency, f"{name}_late"))
