"""A read master of AXI4: fetches beats in bursts, and never hangs."""

from amaranth.hdl import Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.axi_read import (
    ADDRESS_WIDTH,
    DECODE_ERROR,
    OK,
    SLAVE_ERROR,
    TIMEOUT,
    WRONG_LENGTH,
)
from sstdp_hw.contract.ports import MEMORY_PREFIX, memory_ports

#: Bits of the number of beats of a fetch.
COUNT_WIDTH = 24

#: Responses of AXI that are errors.
SLVERR, DECERR = 2, 3

#: AxBURST of a burst whose addresses rise.
INCR = 1


def fetch_layout():
    """What is to be fetched: ``address``, of a whole beat, and ``beats``, at least one."""
    return data.StructLayout({"address": unsigned(ADDRESS_WIDTH), "beats": unsigned(COUNT_WIDTH)})


def axi_members(parameters):
    """The channels of reading, named as AXI4 has them; ids, locks and caches are left out."""
    flows = {"input": In, "output": Out}
    return {
        port.name.removeprefix(MEMORY_PREFIX): flows[port.direction](port.width)
        for port in memory_ports(parameters.data_width)
    }


class AxiReader(wiring.Component):
    """Fetches beats in the order of their addresses, and says how that ended.

    A beat is always taken. Bursts end where the number of their next beat is a multiple of the
    longest; so no burst crosses 4 KiB, and where each must end is known without a list. All beats
    of a fetch are counted, also after an error; the first error is told.

    After a timeout the fetch has ended, while the bus may still owe beats, which AXI has no way to
    renounce. Until all have come, or a reset, further fetches fail at once. After a burst of
    another length than it was asked for nobody knows which beats belong to what: all further
    fetches fail, until a reset.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.axi_read.AxiReadParameters

    Members
    -------
    i : stream of `fetch_layout`
        The next fetch is taken when the one before has ended.
    data, valid : Out
        A beat of the present fetch.
    done : Out(1)
        The fetch has ended; beats that were there have been shown.
    error : Out(3)
        With ``done``: `axi_read.OK` or why it failed.
    ar*, r* : `axi_members`
    """

    def __init__(self, parameters):
        self.p = p = parameters
        super().__init__(
            {
                "i": In(stream.Signature(fetch_layout())),
                "data": Out(p.data_width),
                "valid": Out(1),
                "done": Out(1),
                "error": Out(3),
                **axi_members(p),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        within = p.longest - 1
        number_width = ADDRESS_WIDTH - p.beat_shift
        fetch = self.i.payload

        # ---- Asking: the next burst, from what is left to be asked for.
        next_beat = Signal(number_width, reset_less=True)
        to_ask = Signal(COUNT_WIDTH)
        bursts = Signal(range(p.outstanding + 1))  # asked for, or being asked for, and not ended
        room, count = Signal(range(p.longest + 1)), Signal(range(p.longest + 1))
        begins, asks, ends_burst = Signal(), Signal(), Signal()
        m.d.comb += [
            room.eq(p.longest - (next_beat & within)),
            count.eq(Mux(to_ask < room, to_ask, room)),
            self.arsize.eq(p.beat_shift),
            self.arburst.eq(INCR),
            self.rready.eq(1),
        ]
        with m.If(self.arready):
            m.d.sync += self.arvalid.eq(0)
        with m.If(asks):
            m.d.sync += [
                self.araddr.eq(next_beat << p.beat_shift),
                self.arlen.eq(count - 1),
                self.arvalid.eq(1),
                next_beat.eq(next_beat + count),
                to_ask.eq(to_ask - count),
            ]
        with m.If(asks ^ ends_burst):
            m.d.sync += bursts.eq(Mux(asks, bursts + 1, bursts - 1))

        # ---- Taking: beats that are to come, and where in an aligned burst the next one stands.
        to_take = Signal(COUNT_WIDTH)
        place = Signal(p.longest_shift, reset_less=True)
        last_of_burst, last = Signal(), Signal()
        takes = Signal()
        m.d.comb += [
            takes.eq(self.rvalid & (bursts != 0)),
            last.eq(to_take == 1),
            last_of_burst.eq(last | ((place == within) if p.longest > 1 else Const(1))),
            ends_burst.eq(takes & last_of_burst),
            self.data.eq(self.rdata),
        ]
        with m.If(takes):
            m.d.sync += [to_take.eq(to_take - 1), place.eq(place + 1)]

        failed, found, strays = Signal(3), Signal(3), Signal()
        m.d.comb += found.eq(OK)
        with m.If(takes):
            with m.If(self.rresp == DECERR):
                m.d.comb += found.eq(DECODE_ERROR)
            with m.Elif(self.rresp == SLVERR):
                m.d.comb += found.eq(SLAVE_ERROR)
            with m.Elif(self.rlast != last_of_burst):
                m.d.comb += found.eq(WRONG_LENGTH)

        with m.If(takes & (self.rlast != last_of_burst)):
            m.d.sync += strays.eq(1)

        waited = Signal(range(p.timeout + 1))
        m.d.sync += waited.eq(Mux(begins | takes | (self.arvalid & self.arready), 0, waited + 1))

        with m.FSM():
            with m.State("WAIT"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [
                    next_beat.eq(fetch.address >> p.beat_shift),
                    place.eq(fetch.address >> p.beat_shift),
                    to_ask.eq(fetch.beats),
                    to_take.eq(fetch.beats),
                    failed.eq(OK),
                ]
                with m.If(self.i.valid & strays):
                    m.d.comb += [self.done.eq(1), self.error.eq(WRONG_LENGTH)]
                with m.Elif(self.i.valid):
                    m.d.comb += begins.eq(1)
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += [
                    asks.eq(
                        (to_ask != 0) & (bursts != p.outstanding) & (~self.arvalid | self.arready)
                    ),
                    self.valid.eq(takes),
                    self.error.eq(Mux(failed != OK, failed, found)),
                ]
                m.d.sync += failed.eq(self.error)
                with m.If(takes & last):
                    m.d.comb += self.done.eq(1)
                    m.next = "WAIT"
                with m.Elif(~takes & (waited == p.timeout)):
                    m.d.comb += [
                        asks.eq(0),
                        self.done.eq(1),
                        self.error.eq(Mux(failed != OK, failed, TIMEOUT)),
                    ]
                    m.next = "OWED"
            with m.State("OWED"):
                m.d.comb += [
                    self.i.ready.eq(1), self.done.eq(self.i.valid), self.error.eq(TIMEOUT),
                ]  # fmt: skip
                with m.If((bursts == 0) & ~self.arvalid & ~self.i.valid):
                    m.next = "WAIT"
        return m
