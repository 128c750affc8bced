"""Images of the host."""

from amaranth.hdl import Const, Signal

from sstdp_hw.contract.serial_protocol import LENGTH_BYTES, REQUEST_START

from .request_receiver import RequestReceiver


class ImageReceiver(RequestReceiver):
    """Receives requests with the pixels of one image; any other length is an error.

    Parameters
    ----------
    inputs : int
        Bytes of an image, 1 to `MAX_IMAGE_BYTES`.
    pixels_per_beat : int
    quiet, memory_bytes : int
        See `RequestReceiver`.
    """

    start = REQUEST_START

    def __init__(self, inputs, pixels_per_beat, quiet, memory_bytes=0):
        self.inputs = inputs
        super().__init__(pixels_per_beat, quiet, memory_bytes)

    def left(self):
        return Signal(range(max(self.inputs, self.memory_bytes)), name="left")

    def begin(self, m, left):
        m.d.sync += left.eq(self.inputs - 1)

    def read_length(self, m, left, field, arrived):
        length = Const(self.inputs, 8 * LENGTH_BYTES)
        return self.i.payload != length.word_select(field, 8)
