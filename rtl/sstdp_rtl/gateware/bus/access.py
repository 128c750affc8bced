"""What every bus becomes: one access at a time to a row of registers of 32 bits."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.bus_front import WORD_BYTES, WORD_WIDTH
from sstdp_hw.blocks.widths import index_width
from sstdp_hw.contract.registers import ADDRESS_WIDTH

#: Bits of the number of a register.
NUMBER_WIDTH = ADDRESS_WIDTH - index_width(WORD_BYTES)


class AccessSignature(wiring.Signature):
    """An access, from the side of the bus. It happens in a cycle in which ``valid`` and ``ready``
    are high; ``word`` and ``error`` belong to it from the next cycle on, until there is another.

    Members
    -------
    valid, ready : the access happens
    write : else it is a read
    number : of the register
    data, bytes : what to write, and which bytes of it; of a read, which bytes are wanted
    word : what was read
    error : there is no such register, or it cannot be used so
    """

    def __init__(self):
        super().__init__(
            {
                "valid": Out(1),
                "ready": In(1),
                "write": Out(1),
                "number": Out(NUMBER_WIDTH),
                "data": Out(WORD_WIDTH),
                "bytes": Out(WORD_BYTES),
                "word": In(WORD_WIDTH),
                "error": In(1),
            }
        )
