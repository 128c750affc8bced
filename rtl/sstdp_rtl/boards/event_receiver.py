"""Events of the host."""

from amaranth.hdl import Cat, Signal

from sstdp_hw.contract.event_packets import EVENT_BYTES
from sstdp_hw.contract.serial_protocol import EVENTS_START, LENGTH_BYTES

from .request_receiver import RequestReceiver


class EventReceiver(RequestReceiver):
    """Receives requests with the events of one inference, as many as the request says.

    Parameters
    ----------
    quiet, memory_bytes : int
        See `RequestReceiver`.
    """

    start = EVENTS_START

    def __init__(self, quiet, memory_bytes=0):
        super().__init__(EVENT_BYTES, quiet, memory_bytes)

    def left(self):
        return Signal(8 * LENGTH_BYTES + (EVENT_BYTES - 1).bit_length(), name="left")

    def read_length(self, m, left, field, arrived):
        """The number of events; none is wrong, which is known at the last byte."""
        earlier = Signal(8 * (LENGTH_BYTES - 1))  # bytes before this one
        count = Cat(earlier, self.i.payload)
        with m.If(arrived):
            m.d.sync += [earlier.eq(count[8:]), left.eq(count * EVENT_BYTES - 1)]
        return (field == LENGTH_BYTES - 1) & (count == 0)
