"""An SDRAM by its data sheet: keeps words, and notices every rule of the chip that is broken.

Written from the command truth table and the AC characteristics of Winbond W9825G6, Alliance
AS4C16M16SA and ISSI IS42S16160; it knows nothing of the controller. Times are ns, taken at the
chip's clock edges.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from sstdp_rtl.boards.sdram.controller import PIN_CYCLES

#: By RAS, CAS, WE, low where active, as in the truth table.
COMMANDS = {
    (1, 1, 1): "nop", (0, 1, 1): "activate", (1, 0, 1): "read", (1, 0, 0): "write",
    (0, 1, 0): "precharge", (0, 0, 1): "refresh", (0, 0, 0): "mode", (1, 1, 0): "terminate",
}  # fmt: skip
NEVER = float("-inf")


@dataclass
class Bank:
    """One bank: the row that is open, if any, and when what happened to it."""

    row: int | None = None
    activated: float = NEVER
    precharged: float = NEVER
    written: float = NEVER


@dataclass
class SdramChip:
    """A chip of 4 banks, bursts of one word.

    Parameters
    ----------
    period : float
        Of the clock.
    t_rcd, t_rp, t_ras, t_rc, t_rfc, t_rrd, t_wr, t_mrd, power_up, refresh, rows
        Minima in ns; ``refresh`` is the time in which ``rows`` refreshes must come.
    latest : float
        The longest that a row may be open.

    Attributes
    ----------
    broken : list of (float, str)
        When which rule was broken.
    words : dict
        By bank, row and column.
    commands : list of str
        All but nop.
    """

    period: float
    t_rcd: float
    t_rp: float
    t_ras: float
    t_rc: float
    t_rfc: float
    t_rrd: float
    t_wr: float
    t_mrd: float
    power_up: float
    refresh: float
    rows: int
    latest: float = 100_000.0
    broken: list[tuple[float, str]] = field(default_factory=list)
    words: dict[tuple[int, int, int], int] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.now = 0.0
        self.banks = [Bank() for _ in range(4)]
        self.refreshes: deque[float] = deque(maxlen=self.rows)
        self.refreshed = self.moded = self.any_activated = NEVER
        self.latency: int | None = None  # of the mode; None before it is set
        self.before_mode = 0  # refreshes
        self.all_closed = False
        self.out: deque[int | None] = deque([None, None])

    def _rule(self, name: str, kept: bool) -> None:
        if not kept:
            self.broken.append((self.now, name))

    def _waited(self, name: str, since: float, least: float) -> None:
        self._rule(name, self.now - since >= least - 1e-6)

    def edge(self, ras, cas, we, bank, address, mask, driven):
        """A clock edge.

        Parameters
        ----------
        ras, cas, we : int
            The pins: 0 where active.
        driven : int or None
            What the FPGA drives the data pins with.

        Returns
        -------
        int or None
            What the chip drives the data pins with until the next edge.
        """
        command = COMMANDS[ras, cas, we]
        self._rule("contention", self.out[0] is None or driven is None)
        self.out.popleft()
        self.out.append(None)
        if command != "nop":
            self.commands.append(command)
            self._rule("power up", self.now >= self.power_up - 1e-6)
            self._waited("tRFC", self.refreshed, self.t_rfc)
            self._waited("tMRD", self.moded, self.t_mrd)
            self._waited("tMRD", self.moded, 2 * self.period)
            getattr(self, f"_{command}")(self.banks[bank], bank, address, mask, driven)
        for each in self.banks:
            self._rule("tRAS max", each.row is None or self.now - each.activated <= self.latest)
        if self.latency is not None and len(self.refreshes) == self.rows:
            self._rule("refresh", self.now - self.refreshes[0] <= self.refresh)
        elif self.latency is not None:  # those that were not yet due count from the mode on
            owed = (self.now - self.moded) * self.rows / self.refresh
            self._rule("refresh", owed <= len(self.refreshes) + 1)
        self.now += self.period
        return self.out[0]

    def _activate(self, bank, number, address, mask, driven):
        self._rule("mode before use", self.latency is not None)
        self._rule("one row a bank", bank.row is None)
        self._waited("tRP", bank.precharged, self.t_rp)
        self._waited("tRC", bank.activated, self.t_rc)
        self._waited("tRRD", self.any_activated, self.t_rrd)
        self._waited("tRRD", self.any_activated, 2 * self.period)
        bank.row, bank.activated, self.any_activated = address, self.now, self.now

    def _place(self, bank, number, address):
        self._rule("row open", bank.row is not None)
        self._rule("no auto precharge", not address >> 10 & 1)
        self._rule("column", address & ~0x400 < 512)
        self._waited("tRCD", bank.activated, self.t_rcd)
        return number, bank.row, address & 511

    def _read(self, bank, number, address, mask, driven):
        place = self._place(bank, number, address)
        self._rule("mask", not mask)
        if self.latency == 2:
            self.out[1] = self.words.get(place, 0xDEAD)

    def _write(self, bank, number, address, mask, driven):
        place = self._place(bank, number, address)
        self._rule("data with the write", driven is not None)
        bank.written = self.now
        if not mask and driven is not None:
            self.words[place] = driven

    def _precharge(self, bank, number, address, mask, driven):
        every = bool(address >> 10 & 1)
        for each in self.banks if every else [bank]:
            if each.row is not None:
                self._waited("tRAS", each.activated, self.t_ras)
                self._waited("tWR", each.written, self.t_wr)
                self._waited("tWR", each.written, 2 * self.period)
            each.row, each.precharged = None, self.now
        self.all_closed = self.all_closed or every

    def _refresh(self, bank, number, address, mask, driven):
        self._rule("closed before", all(each.row is None for each in self.banks))
        self._rule("precharge first", self.all_closed)
        for each in self.banks:
            self._waited("tRP", each.precharged, self.t_rp)
            self._waited("tRC", each.activated, self.t_rc)
        self.refreshed = self.now
        if self.latency is None:
            self.before_mode += 1
        else:
            self.refreshes.append(self.now)

    def _mode(self, bank, number, address, mask, driven):
        self._rule("closed before", all(each.row is None for each in self.banks))
        for each in self.banks:
            self._waited("tRP", each.precharged, self.t_rp)
        self._rule("8 refreshes", self.before_mode >= 8)
        burst, kind, latency, test = (
            address & 7, address >> 3 & 1, address >> 4 & 7, address >> 7,
        )  # fmt: skip
        self._rule("mode", (burst, kind, latency, test, number) == (0, 0, 2, 0, 0))
        self.latency, self.moded = latency, self.now

    def _terminate(self, bank, number, address, mask, driven):
        self._rule("no burst to end", False)


def attach(simulator, dut, chip, pins=None):
    """Put the chip on a controller's ``chip`` and ``word``, through pins that take their time.

    Parameters
    ----------
    pins : list, optional
        What went to the chip, edge by edge: arguments of `SdramChip.edge`.
    """

    async def wires(ctx):
        back = deque([None] * PIN_CYCLES)
        async for *_, to in ctx.tick().sample(dut.chip):
            ras, cas, we = (1 - (to.command.value >> bit & 1) for bit in range(3))
            driven = int(to.word) if to.drives else None
            pin = (ras, cas, we, int(to.bank), int(to.address), int(to.mask), driven)
            if pins is not None:
                pins.append(pin)
            back.append(chip.edge(*pin))
            word = back.popleft()
            ctx.set(dut.word, 0xBAD0 if word is None else word)

    simulator.add_testbench(wires, background=True)
