"""Questions about the set bits of a mask, shallow enough for one cycle."""

from amaranth.hdl import Cat, Const, Mux


def all_but_lowest(mask):
    """``mask`` without its lowest set bit, without a carry chain."""
    return Cat(bit & mask[:position].any() for position, bit in enumerate(mask))


def several(mask):
    """Whether more than one bit of ``mask`` is set, as a tree."""
    pairs = [(bit, Const(0, 1)) for bit in mask]  # any, several
    while len(pairs) > 1:
        halves = [pairs[n : n + 2] for n in range(0, len(pairs), 2)]
        pairs = [
            half[0]
            if len(half) == 1
            else (half[0][0] | half[1][0], half[0][1] | half[1][1] | (half[0][0] & half[1][0]))
            for half in halves
        ]
    return pairs[0][1]


def lowest_set(mask):
    """Index of the lowest set bit of ``mask`` (0 if none is set)."""
    index = Const(0)
    for position in reversed(range(len(mask))):
        index = Mux(mask[position], position, index)
    return index


def one_hot_index(mask, width):
    """Number of the one set bit of ``mask``, in ``width`` bits."""
    return Cat(
        Cat(bit for position, bit in enumerate(mask) if position >> place & 1).any()
        for place in range(width)
    )
