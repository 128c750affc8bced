"""Takes images of the memories, checks them, and writes what they hold."""

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.memory_map import SPONTANEOUS, memory_map
from sstdp_hw.blocks.pipeline import WORD_BITS
from sstdp_hw.blocks.widths import index_width
from sstdp_hw.contract.memory_image import REFUSALS, STATUS, STATUS_WIDTH, header

from ..encoder.packet import axis_layout
from ..parts.streams import layout_of


def load_layout(rows, columns, writes=1):
    """A word on its way to the memories.

    Members
    -------
    word : what is written
    row, column : where in its memory
    writes : one bit for each memory: it takes the word in this cycle
    """
    return data.StructLayout(
        {
            "word": unsigned(WORD_BITS),
            "row": unsigned(index_width(rows)),
            "column": unsigned(index_width(columns)),
            "writes": unsigned(writes),
        }
    )


class Loader(wiring.Component):
    """Writes the memories from a stream, and tells whether what they hold is whole and right.

    Once an image of the memories is offered, no image of the network may enter the chain; when all
    that are in it have been answered, the words are taken, one a cycle. From the first of them
    until an image of the memories has ended that is whole and right, no image may enter. Memories
    and what is known of them outlive a reset; one in the middle of an image leaves it incomplete.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.hardware.AcceleratorParameters

    Members
    -------
    i : stream of `packet.axis_layout`
    empty : In(1)
        No image is in the chain, and none enters in this cycle if ``hold`` was high in the one
        before.
    hold : Out(1)
        No image may enter.
    load : Out(1)
        Flips with every image of the memories that is whole and right.
    o : Out
        `load_layout`; a bit of ``writes`` for each region of `memory_map`.
    spontaneous : Out
        For each layer, whether a neuron of it fires without any input.
    status : Out(32)
        `contract.memory_image.STATUS`.
    """

    def __init__(self, parameters):
        self.p, self.regions = parameters, memory_map(parameters)
        rows = max(region.rows for region in self.regions)
        columns = max(region.columns for region in self.regions)
        super().__init__(
            {
                "i": In(stream.Signature(axis_layout(WORD_BITS))),
                "empty": In(1),
                "hold": Out(1),
                "load": Out(1),
                "o": Out(load_layout(rows, columns, len(self.regions))),
                "spontaneous": Out(len(parameters.layers)),
                "status": Out(STATUS_WIDTH),
            }
        )

    def elaborate(self, platform):
        m = Module()
        regions = self.regions
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=WORD_BITS).create()

        # Stage 1: a word is in a register. While the stream is open a word is taken in every cycle.
        opens, opened = Signal(), Signal()
        arrives = Signal()
        word1 = Signal(axis_layout(WORD_BITS), reset_less=True)
        valid1 = Signal()
        m.d.comb += [self.i.ready.eq(opened), arrives.eq(self.i.valid & opened)]
        m.d.sync += [word1.eq(self.i.payload), valid1.eq(arrives)]
        with m.If(opens):
            m.d.sync += opened.eq(1)
        with m.Elif(arrives & self.i.payload.last):
            m.d.sync += opened.eq(0)
        m.d.comb += [crc.data.eq(word1.data), crc.valid.eq(valid1), crc.start.eq(opens)]

        # Where the word belongs.
        region = Signal(range(len(regions)))
        row, column = Signal.like(self.o.row), Signal.like(self.o.column)
        last_row, last_column = Signal.like(row), Signal.like(column)
        with m.Switch(region):
            for number, each in enumerate(regions):
                with m.Case(number):
                    m.d.comb += [last_row.eq(each.rows - 1), last_column.eq(each.columns - 1)]
        ends_row, ends_region, writes = Signal(), Signal(), Signal()
        m.d.comb += [
            ends_row.eq(column == last_column),
            ends_region.eq(ends_row & (row == last_row)),
        ]
        with m.If(writes):
            m.d.sync += column.eq(Mux(ends_row, 0, column + 1))
            with m.If(ends_row):
                m.d.sync += row.eq(Mux(ends_region, 0, row + 1))
            with m.If(ends_region):
                m.d.sync += region.eq(region + 1)
        with m.If(opens):
            m.d.sync += [region.eq(0), row.eq(0), column.eq(0)]

        # Stage 2: on its way to the memories.
        m.d.sync += [
            self.o.word.eq(word1.data),
            self.o.row.eq(row),
            self.o.column.eq(column),
            self.o.writes.eq(Cat(writes & (region == n) for n in range(len(regions)))),
        ]
        spontaneous = next(n for n, each in enumerate(regions) if each.name == SPONTANEOUS)
        flags = Signal(len(self.spontaneous), reset_less=True, name="spontaneous_flags")
        with m.If(self.o.writes[spontaneous]):
            m.d.sync += flags.eq(self.o.word)
        m.d.comb += self.spontaneous.eq(flags)

        # What is known of the memories; it outlives a reset, as they do.
        status = Signal(layout_of(STATUS))
        loaded, load = Signal(reset_less=True), Signal(reset_less=True)
        refused, found = Signal(range(len(REFUSALS))), Signal(range(len(REFUSALS)))
        ended, waits = Signal(16), Signal()
        m.d.comb += [
            self.load.eq(load),
            self.hold.eq(~loaded | ~waits),
            self.status.eq(status),
            status.loaded.eq(loaded),
            status.loading.eq(~waits),
            status.load.eq(load),
            status.refused.eq(refused),
            status.ended.eq(ended),
        ]

        wanted = Array(C(each, WORD_BITS) for each in header(self.p))
        place = Signal(range(len(wanted)))
        differs = Signal()
        m.d.comb += differs.eq(word1.data != wanted[place])

        def ends_with(reason):
            """The last word, and it comes too early or follows a fault."""
            if reason is not None:
                m.d.sync += found.eq(REFUSALS.index(reason))
            m.next = "JUDGE"

        with m.FSM():
            with m.State("WAIT"):
                m.d.comb += waits.eq(1)
                with m.If(self.i.valid):
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                m.d.comb += opens.eq(self.empty)
                m.d.sync += [found.eq(0), place.eq(0)]
                with m.If(self.empty):
                    m.d.sync += loaded.eq(0)
                    m.next = "HEADER"
            with m.State("HEADER"), m.If(valid1):
                m.d.sync += place.eq(place + 1)
                with m.If(place == len(wanted) - 1):
                    m.next = "MEMORIES"
                with m.If(differs):
                    m.d.sync += found.eq(Mux(place == 0, *map(REFUSALS.index, ("format", "shape"))))
                    m.next = "DISCARD"
                with m.If(word1.last):
                    ends_with(None)
                    with m.If(~differs):
                        ends_with("length")
            with m.State("MEMORIES"), m.If(valid1):
                m.d.comb += writes.eq(1)
                with m.If(ends_region & (region == len(regions) - 1)):
                    m.next = "CHECK"
                with m.If(word1.last):
                    ends_with("length")
            with m.State("CHECK"), m.If(valid1):
                m.next = "JUDGE"
                with m.If(~word1.last):
                    m.d.sync += found.eq(REFUSALS.index("length"))
                    m.next = "DISCARD"
            with m.State("DISCARD"), m.If(valid1 & word1.last):
                m.next = "JUDGE"
            with m.State("JUDGE"):  # the register of the CRC holds the last word only now
                m.d.sync += [ended.eq(ended + 1), refused.eq(found)]
                with m.If(found == 0):
                    with m.If(crc.match_detected):
                        m.d.sync += [loaded.eq(1), load.eq(~load)]
                    with m.Else():
                        m.d.sync += refused.eq(REFUSALS.index("crc"))
                m.next = "WAIT"
        return m
