"""The row of registers: what `sstdp_hw.contract.registers` describes."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.axi_read import ADDRESS_WIDTH
from sstdp_hw.blocks.bus_front import ANSWER_DEPTH, CYCLES_WIDTH, WORD_BYTES, WORD_WIDTH
from sstdp_hw.blocks.sequential.tiles import PAGE
from sstdp_hw.blocks.widths import index_width
from sstdp_hw.contract.fields import pack
from sstdp_hw.contract.registers import (
    IDENTITY,
    OFFSETS,
    REGISTER_BYTES,
    by_name,
    digest_words,
    version_of,
)

from ..encoder.packet import axis_layout
from .access import AccessSignature
from .queues import ANSWERED

_ALL = (1 << WORD_BYTES) - 1


class RegisterRow(wiring.Component):
    """Decodes accesses. Each takes one cycle; what it read is there in the next one.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.bus_front.BusFrontParameters

    Members
    -------
    access : In, `AccessSignature`
    words : Out, stream of `packet.axis_layout`
        What was written to INPUT and INPUT_LAST.
    answers : In, stream of `queues.ANSWERED`
    free, waiting, busy : In
        Of the queues.
    hold : Out(1)
    reset : Out(1)
        High for one cycle, in which all else begins anew; no access happens in it.
    interrupt : Out(1)
    base : Out(32)
        With weights in an external memory, as the next two: where they begin.
    stopped, owed : In(1)
        As in STATUS.
    """

    def __init__(self, parameters):
        self.p, external = parameters, parameters.memory is not None
        self.registers = by_name(external)
        outside = {"base": Out(ADDRESS_WIDTH), "stopped": In(1), "owed": In(1)}
        super().__init__(
            {
                "access": In(AccessSignature()),
                "words": Out(stream.Signature(axis_layout(WORD_WIDTH))),
                "answers": In(stream.Signature(ANSWERED)),
                "free": In(index_width(parameters.input_depth + 1)),
                "waiting": In(index_width(ANSWER_DEPTH + 1)),
                "busy": In(1),
                "hold": Out(1),
                "reset": Out(1),
                "interrupt": Out(1),
                **(outside if external else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        access = self.access
        # By name: a register's value when it is read, and the signal that says it is written. What
        # the description does not have, or has and is missing here, is an error of this program.
        values = dict.fromkeys(self.registers, Const(0, WORD_WIDTH)) | self._constants()
        places = {name: OFFSETS[name] // REGISTER_BYTES for name in self.registers}
        happens = Signal()
        m.d.comb += [
            access.ready.eq(~self.reset),
            happens.eq(access.valid & access.ready),
        ]
        written = {name: Signal(name=f"writes_{name.lower()}")
                   for name, register in self.registers.items()
                   if register.writes}  # fmt: skip
        takes = Signal()
        error, word = Signal(), Signal(WORD_WIDTH)
        whole = access.bytes == _ALL
        self._control(m, written, values)
        self._queues(m, written, takes, values)
        self._causes(m, written, happens & error, values)
        if self.p.memory:
            self._base(m, written, values)
        assert values.keys() == self.registers.keys(), "registers and description differ"

        with m.Switch(access.number):
            for name, register in self.registers.items():
                with m.Case(places[name]):
                    m.d.comb += word.eq(values[name])
                    wrong = Const(0) if register.writes else access.write
                    if register.whole and register.writes:  # a write of no byte asks for nothing
                        wrong = access.write & access.bytes.any() & ~whole
                    elif register.whole:
                        wrong = access.write | ~whole
                    m.d.comb += error.eq(wrong)
                    if register.writes:
                        wanted = whole if register.whole else access.bytes.any()
                        m.d.comb += written[name].eq(happens & access.write & wanted)
                    elif register.whole:
                        m.d.comb += takes.eq(happens & ~access.write & whole)
            with m.Default():
                m.d.comb += error.eq(1)
        with m.If(happens):
            m.d.sync += [
                access.error.eq(error),
                access.word.eq(Mux(access.write | error, 0, word)),
            ]
        return m

    def _constants(self):
        p, network = self.p, self.p.accelerator.network
        texts = {
            "VERSION": version_of(p.memory is not None),
            "CONFIG": {"inputs": p.accelerator.pixels, "t_max": network.t_max},
            "LIMITS": {"input_words": p.input_depth, "answers": ANSWER_DEPTH,
                       "last_class": len(network.class_names) - 1},
            "KIND": {"events": int(p.events), **({"external": 1} if p.memory else {})},
        }  # fmt: skip
        found = {name: pack(self._fields(name), values) for name, values in texts.items()}
        found["ID"] = IDENTITY
        digest = self.registers["DIGEST_0"].names
        found |= zip(digest, digest_words(network.digest), strict=True)
        return {name: Const(value, WORD_WIDTH) for name, value in found.items()}

    def _control(self, m, written, values):
        """What is only kept: scratch, hold, reset."""
        access, scratch = self.access, Signal(WORD_WIDTH)
        bits = {field.name: field.offset for field in self._fields("CONTROL")}
        for number in range(WORD_BYTES):
            with m.If(written["SCRATCH"] & access.bytes[number]):
                m.d.sync += scratch.word_select(number, 8).eq(access.data.word_select(number, 8))
        m.d.sync += self.reset.eq(0)
        with m.If(written["CONTROL"] & access.bytes[0]):
            m.d.sync += [
                self.hold.eq(access.data[bits["hold"]]),
                self.reset.eq(access.data[bits["reset"]]),
            ]
        with m.If(self.reset):
            m.d.sync += [self.hold.eq(0), scratch.eq(0)]
        values["SCRATCH"] = scratch
        values["CONTROL"] = self.hold << bits["hold"]

    def _queues(self, m, written, takes, values):
        """Words in, answers out. After a word that had no place none is taken until the driver has
        seen it: what was taken is always the first part of what was written."""
        access, refusing = self.access, Signal()
        refused, cycles, open_ = Signal(WORD_WIDTH), Signal(CYCLES_WIDTH), Signal()
        last = written["INPUT_LAST"]
        offered = Signal()
        m.d.comb += [
            offered.eq(written["INPUT"] | last),
            self.words.payload.data.eq(access.data),
            self.words.payload.last.eq(last),
            self.words.valid.eq(offered & ~refusing),
            self.answers.ready.eq(takes),
        ]
        with m.If(self.words.valid & self.words.ready):
            m.d.sync += open_.eq(~last)
        with m.Elif(offered):
            m.d.sync += [refusing.eq(1), refused.eq(refused + 1)]
        cause = {field.name: field.offset for field in self._fields("PENDING")}
        clears = written["PENDING"] & access.bytes[0]
        with m.If(clears & access.data[cause["refused"]]):
            m.d.sync += [refusing.eq(0), refused.eq(0)]
        answer = self.answers.payload
        with m.If(takes & self.answers.valid):
            m.d.sync += cycles.eq(answer.cycles)
        with m.If(self.reset):
            m.d.sync += [refusing.eq(0), refused.eq(0), open_.eq(0), cycles.eq(0)]
        self.refusing = refusing
        values["REFUSED"], values["CYCLES"] = refused, cycles
        values["ANSWER"] = Mux(
            self.answers.valid, self._or_bit(answer.answer, "ANSWER", "valid"), 0
        )
        outside = {"stopped": self.stopped, "owed": self.owed} if self.p.memory else {}
        values["STATUS"] = self._joined(
            "STATUS", busy=self.busy, open=open_, refusing=refusing, **outside
        )
        values["LEVELS"] = self._joined(
            "LEVELS", free=Mux(refusing, 0, self.free), answers=self.waiting
        )

    def _causes(self, m, written, fails, values):
        """The interrupt."""
        access, fault, enabled = self.access, Signal(), Signal(len(self._fields("ENABLE")))
        cause = {field.name: field.offset for field in self._fields("PENDING")}
        with m.If(written["PENDING"] & access.bytes[0] & access.data[cause["fault"]]):
            m.d.sync += fault.eq(0)
        with m.If(fails):
            m.d.sync += fault.eq(1)
        with m.If(written["ENABLE"] & access.bytes[0]):
            m.d.sync += enabled.eq(access.data)
        with m.If(self.reset):
            m.d.sync += [fault.eq(0), enabled.eq(0)]
        pending = self._joined(
            "PENDING", answer=self.answers.valid, room=self.free >= self.p.room,
            refused=self.refusing, fault=fault,
        )  # fmt: skip
        m.d.sync += self.interrupt.eq((pending & enabled).any())
        values["PENDING"], values["ENABLE"] = pending, enabled

    def _base(self, m, written, values):
        """Where external weights begin, in whole pages. It outlives a reset, which takes it."""
        access, within = self.access, PAGE.bit_length() - 1
        page = Signal(ADDRESS_WIDTH - within, init=self.p.memory.base >> within)
        for number in range(within // 8, WORD_BYTES):
            first, end = max(8 * number, within), 8 * number + 8
            with m.If(written["BASE"] & access.bytes[number]):
                m.d.sync += page[first - within : end - within].eq(access.data[first:end])
        m.d.comb += self.base.eq(page << within)
        values["BASE"] = self.base

    def _fields(self, name):
        return self.registers[name].fields

    def _joined(self, name, **values):
        """The word of a register whose fields have these values."""
        word = Const(0, WORD_WIDTH)
        for field in self._fields(name):
            word = word | values.pop(field.name) << field.offset
        assert not values, f"no fields of {name}: {', '.join(values)}"
        return word[:WORD_WIDTH]

    def _or_bit(self, word, name, bit):
        (place,) = (field.offset for field in self._fields(name) if field.name == bit)
        return word | Const(1 << place, WORD_WIDTH)
