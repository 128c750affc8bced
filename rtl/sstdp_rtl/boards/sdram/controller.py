"""A controller of one single data rate SDRAM behind the read channels of AXI4."""

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.external.reader import axi_members
from .timing import ADDRESS_BITS, BANK_BITS, CAS_LATENCY, COLUMN_BITS, ROW_BITS, WORD_BITS

#: Cycles that pins and their registers take, out and in together (`pins.SdramPins`).
PIN_CYCLES = 2

#: Cycles from the decision to read a word to the one in which it is here: a register at the
#: controller's outputs, the pins, the chip.
READ_CYCLES = 1 + PIN_CYCLES + CAS_LATENCY

#: Refreshes before the mode is set.
FIRST_REFRESHES = 8

#: Mode register: bursts of one word, in sequence, and the CAS latency.
MODE = CAS_LATENCY << 4

#: Address bit 10 of a precharge: all banks.
ALL_BANKS = 1 << 10


class Command(enum.Enum, shape=3):
    """RAS, CAS and WE as bits 0, 1 and 2, set where the pin is active."""

    NONE = 0b000
    ACTIVATE = 0b001
    READ = 0b010
    WRITE = 0b110
    PRECHARGE = 0b101
    REFRESH = 0b011
    MODE = 0b111


def chip_layout():
    """What goes to the chip, active high: ``command``, ``bank``, ``address``, ``mask`` for both
    bytes, and the word that is written while ``drives`` is set."""
    return data.StructLayout(
        {
            "command": Command,
            "bank": unsigned(BANK_BITS),
            "address": unsigned(ROW_BITS),
            "mask": unsigned(1),
            "word": unsigned(WORD_BITS),
            "drives": unsigned(1),
        }
    )


def request_layout():
    """One word to be written, or read: ``address`` of the word."""
    return data.StructLayout(
        {
            "address": unsigned(ADDRESS_BITS),
            "writes": unsigned(1),
            "word": unsigned(WORD_BITS),
        }
    )


class SdramController(wiring.Component):
    """Reads bursts and single words, writes single words, initialises and refreshes.

    A command reads one 16-bit word, and while a row is open there is one in every cycle. One row is
    open at a time; it is closed for a refresh, which interrupts a burst, and for another row. Of
    the read channels' bursts one is read while the next one waits. Bursts are INCR, of whole beats,
    and do not leave a row: aligned ones of up to 1 KiB. Beats cannot be held up: the master must
    always be ready, as `AxiReader` is.

    Parameters
    ----------
    cycles : timing.SdramCycles
    bus : sstdp_hw.blocks.axi_read.AxiReadParameters

    Members
    -------
    chip : Out
        `chip_layout`, from registers.
    word : In(16)
        The chip's data, `PIN_CYCLES` and the CAS latency after its command.
    ar*, r* : `reader.axi_members`, of a slave
        Addresses are bytes.
    host : stream of `request_layout`
        Goes before bursts.
    read : Out(16)
    read_valid : Out(1)
        The word of a request, in their order.
    clear : In(1)
        The master is in reset: forgets its bursts.
    """

    def __init__(self, cycles, bus):
        self.cycles, self.bus = cycles, bus
        super().__init__(
            {
                "chip": Out(chip_layout()),
                "word": In(WORD_BITS),
                **{name: member.flip() for name, member in axi_members(bus).items()},
                "host": In(stream.Signature(request_layout())),
                "read": Out(WORD_BITS),
                "read_valid": Out(1),
                "clear": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        c, words = self.cycles, self.bus.data_width // WORD_BITS  # of a beat

        # ---- Bursts: one that is read, and one that waits.
        waits, waiting = Signal(), Signal(ADDRESS_BITS, reset_less=True)
        waiting_words = Signal(range(256 * words + 1), reset_less=True)
        place = Signal(ADDRESS_BITS, reset_less=True)
        left = Signal.like(waiting_words, reset_less=False)  # words of the burst
        begins, reads = Signal(), Signal()
        m.d.comb += [self.arready.eq(~waits), begins.eq(waits & (left == 0))]
        with m.If(self.arvalid & self.arready):
            m.d.sync += [
                waits.eq(1),
                waiting.eq(self.araddr >> 1),
                waiting_words.eq((self.arlen + 1) * words),
            ]
        with m.If(begins):
            m.d.sync += [waits.eq(0), place.eq(waiting), left.eq(waiting_words)]
        with m.If(reads):
            m.d.sync += [place.eq(place + 1), left.eq(left - 1)]

        # ---- What is wanted next, and whether its row is open.
        request = self.host.payload
        target, wanted = Signal(ADDRESS_BITS), Signal()
        row, hit = Signal(ROW_BITS + BANK_BITS, reset_less=True), Signal()
        m.d.comb += [
            target.eq(Mux(self.host.valid, request.address, place)),
            wanted.eq(self.host.valid | (left != 0)),
            hit.eq(target[COLUMN_BITS:] == row),
        ]

        # ---- Words on their way, the next one highest: what each is.
        tag = data.StructLayout({"valid": 1, "host": 1, "ends_beat": 1, "last": 1})
        coming = [Signal(tag, name=f"coming{number}") for number in range(READ_CYCLES + 1)]
        asked, here = coming[0], coming[-1]
        quiet = Signal()
        m.d.comb += [
            asked.host.eq(self.host.valid),
            asked.ends_beat.eq((left % words == 1) if words > 1 else Const(1)),
            asked.last.eq(left == 1),
            quiet.eq(~Cat(each.valid for each in coming[1:]).any() & ~self.read_valid),
        ]
        for before, after in pairwise(coming):
            m.d.sync += after.eq(before)
            with m.If(self.clear & ~before.host):
                m.d.sync += after.valid.eq(0)
        beat = Signal(self.bus.data_width, reset_less=True)
        with m.If(here.valid & ~here.host):
            m.d.sync += beat.eq(Cat(beat, self.word)[WORD_BITS:])
        m.d.sync += [
            self.rvalid.eq(here.valid & ~here.host & here.ends_beat & ~self.clear),
            self.rlast.eq(here.last),
            self.read_valid.eq(here.valid & here.host),
            self.read.eq(self.word),
        ]
        m.d.comb += [self.rdata.eq(beat), self.rresp.eq(0)]
        with m.If(self.clear):
            m.d.sync += [waits.eq(0), left.eq(0)]

        # ---- Commands. ``pause`` is what the last one demands of all others, ``held`` what has to
        # pass until a row may be closed.
        chip = self.chip
        command = Signal(Command)
        bank, address = Signal(BANK_BITS), Signal(ROW_BITS)
        initialised = Signal()
        m.d.sync += [
            chip.command.eq(command),
            chip.bank.eq(bank),
            chip.address.eq(address),
            chip.mask.eq(~initialised),
            chip.word.eq(request.word),
            chip.drives.eq(command == Command.WRITE),
        ]
        most = max(c.t_rcd, c.t_rp, c.t_rfc, c.t_mrd, c.power_up)
        pause, free = Signal(range(most + 1), init=c.power_up), Signal()
        held, may_close = Signal(range(max(c.row_open, c.t_wr) + 1)), Signal()
        m.d.comb += [free.eq(pause == 0), may_close.eq(held == 0)]
        with m.If(~free):
            m.d.sync += pause.eq(pause - 1)
        with m.If(~may_close):
            m.d.sync += held.eq(held - 1)

        since, due = Signal(range(c.refresh)), Signal()
        m.d.sync += since.eq(since + 1)
        with m.If(since == c.refresh - 1):
            m.d.sync += [since.eq(0), due.eq(1)]
        first = Signal(range(FIRST_REFRESHES), init=FIRST_REFRESHES - 1)  # those still to come

        def issue(which, cycles, then=None):
            m.d.comb += command.eq(which)
            m.d.sync += pause.eq(cycles - 1)
            if then:
                m.next = then

        with m.FSM():
            with m.State("PRECHARGE_ALL"), m.If(free):
                m.d.comb += address.eq(ALL_BANKS)
                issue(Command.PRECHARGE, c.t_rp, "REFRESH")
            with m.State("REFRESH"), m.If(free):
                issue(Command.REFRESH, c.t_rfc, "CLOSED")
                m.d.sync += due.eq(0)
                with m.If(~initialised):
                    m.d.sync += first.eq(first - 1)
                    m.next = "REFRESH"
                    with m.If(first == 0):
                        m.next = "SET_MODE"
            with m.State("SET_MODE"), m.If(free):
                m.d.comb += address.eq(MODE)
                m.d.sync += initialised.eq(1)
                issue(Command.MODE, c.t_mrd, "CLOSED")
            with m.State("CLOSED"), m.If(free):
                m.d.comb += Cat(bank, address).eq(target[COLUMN_BITS:])
                with m.If(due):
                    m.next = "REFRESH"
                with m.Elif(wanted):
                    m.d.sync += [row.eq(target[COLUMN_BITS:]), held.eq(c.row_open - 1)]
                    issue(Command.ACTIVATE, c.t_rcd, "OPEN")
            with m.State("OPEN"), m.If(free):
                m.d.comb += [bank.eq(row), address.eq(target[:COLUMN_BITS])]
                with m.If(due | (wanted & ~hit)):
                    m.d.comb += address.eq(ALL_BANKS)
                    with m.If(may_close):
                        issue(Command.PRECHARGE, c.t_rp, "CLOSED")
                # Not before the pins are quiet, or the chip and the FPGA might drive them together.
                with m.Elif(self.host.valid & request.writes), m.If(quiet):
                    m.d.comb += self.host.ready.eq(1)
                    with m.If(held < c.t_wr):  # it counts down in this cycle
                        m.d.sync += held.eq(c.t_wr - 1)
                    issue(Command.WRITE, 1)
                with m.Elif(wanted):
                    m.d.comb += [
                        self.host.ready.eq(self.host.valid),
                        reads.eq(~self.host.valid),
                        asked.valid.eq(1),
                    ]
                    issue(Command.READ, 1)
        return m
