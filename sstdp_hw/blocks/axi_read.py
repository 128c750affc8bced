"""How a read master of AXI4 divides what it fetches into bursts."""

from __future__ import annotations

from dataclasses import dataclass

from ..base.errors import UserError

DATA_WIDTHS = (16, 32, 64, 128)
ADDRESS_WIDTH = 32

#: Bytes that no burst may cross a multiple of (AMBA AXI, IHI 0022, A3.4.1).
BOUNDARY = 4096

#: Bits of a word of the SDRAM on a board, which gives one a cycle at best.
SDRAM_WORD_BITS = 16

#: Cycles that a simulation allows for a beat of an external memory, which takes one or stalls.
BEAT_CYCLES = 4

#: How a fetch has ended: the read responses of AXI that are errors, `rlast` at another place than
#: the burst's end, and no progress for too long.
OK, SLAVE_ERROR, DECODE_ERROR, WRONG_LENGTH, TIMEOUT = range(5)


@dataclass(frozen=True)
class AxiReadParameters:
    """A read master.

    Parameters
    ----------
    data_width : int
        Bits of a beat; one of `DATA_WIDTHS`.
    longest : int
        Beats of a burst at most: a power of two up to 256, so that as many bytes divide `BOUNDARY`.
    outstanding : int
        Bursts that have been asked for and not ended, at most.
    timeout : int
        Cycles without progress after which a fetch has failed.

    Raises
    ------
    UserError
        If one of them is out of range.
    """

    data_width: int = 32
    longest: int = 64
    outstanding: int = 2
    timeout: int = 4096

    def __post_init__(self) -> None:
        if self.data_width not in DATA_WIDTHS:
            known = ", ".join(map(str, DATA_WIDTHS[:-1]))
            raise UserError(
                f"Width of the memory's bus must be {known} or {DATA_WIDTHS[-1]} bits, not "
                f"{self.data_width}"
            )
        most = min(256, BOUNDARY // self.beat_bytes)
        if not (0 < self.longest <= most and self.longest & (self.longest - 1) == 0):
            raise UserError(
                f"Longest burst must be a power of two of at most {most} beats, not {self.longest}"
            )
        for name in ("outstanding", "timeout"):
            if getattr(self, name) < 1:
                raise UserError(
                    f"{name.capitalize()} of the memory's bus must be at least 1, not "
                    f"{getattr(self, name)}"
                )

    @property
    def beat_bytes(self) -> int:
        """Bytes of a beat."""
        return self.data_width // 8

    @property
    def beat_shift(self) -> int:
        """Bits of an address that are below a beat: AxSIZE."""
        return self.beat_bytes.bit_length() - 1

    @property
    def sdram_beat_cycles(self) -> int:
        """Cycles of a beat at most from the SDRAM of a board, rows and refreshes included: twice as
        many as it has words."""
        return max(BEAT_CYCLES, 2 * self.data_width // SDRAM_WORD_BITS)

    @property
    def longest_shift(self) -> int:
        """Bits of the number of a beat within an aligned burst."""
        return self.longest.bit_length() - 1

    def bursts(self, address: int, beats: int) -> list[tuple[int, int]]:
        """Address and beats of every burst of a fetch.

        Parameters
        ----------
        address : int
            Of its first byte, a multiple of `beat_bytes`.
        beats : int
        """
        found: list[tuple[int, int]] = []
        while beats:
            within = (address >> self.beat_shift) % self.longest
            count = min(beats, self.longest - within)
            found.append((address, count))
            address, beats = address + count * self.beat_bytes, beats - count
        return found

    def cycles(
        self, address: int, beats: int, latency: int, interval: int = 1, free: int = 0
    ) -> int:
        """Cycles of a fetch, the first one and that of its last beat included.

        Exact for a memory that takes an address at once, gives the first beat of a burst 1 +
        ``latency`` cycles later, or ``interval`` cycles behind the last one of the burst before,
        and then a beat every ``interval`` cycles; a lower bound for one that is slower at times.
        Of the fetch before the last beat came ``interval`` cycles before the cycle ``free``, where
        0 is the first one.
        """
        ends: list[int] = []
        for number, (_, count) in enumerate(self.bursts(address, beats)):
            begins = ends[-1] - 1 + interval if ends else max(3 + latency, free)
            if number >= self.outstanding:  # asked for when an earlier one has ended
                begins = max(begins, ends[number - self.outstanding] + 2 + latency)
            ends.append(begins + (count - 1) * interval + 1)
        return ends[-1]
