"""A board on a port: which design it has, weights into it, samples through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.pipeline import QUEUE_DEPTH
from sstdp_hw.command.interruption import Terminated
from sstdp_hw.contract.board_identity import MEMORY_STATUS, WORDS, Identity
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.event_packets import EVENT_BYTES, event_words, spaced
from sstdp_hw.contract.fields import unpack
from sstdp_hw.contract.memory_image import STATUS, refusal
from sstdp_hw.contract.serial_protocol import (
    Answer,
    Status,
    encode_events,
    encode_memories,
    encode_question,
    encode_request,
)
from sstdp_hw.network.chain import SPIKES
from sstdp_hw.network.layers import Array

from .port import LATENCY, NoAnswer, Port
from .simulated import Conditions, SimulatedBoard

DEFAULT_BAUD = 1_000_000
#: Until the board has told its own.
_QUIET_SECONDS = 0.05
#: What must be on its way for the line to stay busy while a USB adapter keeps answers back.
_AHEAD_SECONDS = 0.03
#: Answers carry no number. Now and then the line runs empty, and what came before is sure.
_BETWEEN_PAUSES = 16
_TRIES = 5
#: Seconds that a simulated board may take for what a board does at once: of a large accelerator it
#: takes many cycles, and the machine may be busy.
SLOWEST = 20.0
NO_ANSWER = -1

#: Shows how far something is: from what it is and its units to what is told of units done.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]

#: By the kind of the network's input: the bytes that send one sample.
REQUESTS: dict[str, Callable[[Array, int, tuple[int, int]], bytes]] = {
    "pixels": lambda image, _t_max, _pauses: encode_request(image.tobytes()),
    "spikes": lambda times, t_max, pauses: encode_events(
        spaced(event_words(times, t_max), *pauses)
    ),
}


@dataclass
class Played:
    """What came of samples that were sent to a board.

    Parameters
    ----------
    words : int64 array [N]
        Result words, `NO_ANSWER` where there is none.
    attempts : int
        Requests sent, at least one per sample that was answered.
    resynchronized : int
        How often something was wrong and the line had to fall quiet.
    errors : dict of str to int
        What was wrong, by name of the board's status, or ``no answer``, ``damaged answer``.
    ended : str
        Why it ended early, in one line; empty if it did not.
    """

    words: Array
    attempts: int = 0
    resynchronized: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    ended: str = ""


class Host:
    """A connection to a board with the accelerator of a folder.

    Parameters
    ----------
    directory : GeneratedDirectory
    port : str
        A serial port, or ``sim`` with `Conditions`, for a simulated board.
    baud : int, optional

    Members
    -------
    interruption : BaseException or None
        Ctrl-C or the like that ended `play`; to be raised once what was answered is safe.

    Raises
    ------
    UserError
        If the port cannot be opened, no board answers, or it has another design.
    """

    def __init__(self, directory: GeneratedDirectory, port: str, baud: int = DEFAULT_BAUD) -> None:
        if isinstance(baud, bool) or not 1200 <= baud <= 12_000_000:
            raise UserError(f"--baud must be between 1200 and 12000000, not {baud!r}")
        if not port:
            raise UserError("Port must be named: --port /dev/ttyUSB0, COM3, or sim; it is empty")
        self.directory, self.name = directory, port
        self.quiet, self.simulated = _QUIET_SECONDS, None
        self.interruption: BaseException | None = None
        conditions = Conditions.parse(port)
        if conditions is not None:
            self.simulated = SimulatedBoard(directory, conditions)
            port = self.simulated.port
        try:
            self.port = Port(port, baud)
        except BaseException:
            if self.simulated is not None:
                self.simulated.close()
            raise
        try:
            self.identity = self._identify()
            self._check()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Host:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> dict[str, int]:
        """Let the port go; what a simulated board counted."""
        self.port.close()
        return {} if self.simulated is None else self.simulated.close()

    def resynchronize(self) -> bytes:
        """Be silent until the board must have given up whatever it was in, and has finished
        whatever it had; what came meanwhile."""
        return self.port.fall_quiet(3 * self.quiet + self.compute_seconds + LATENCY)

    def ask(self, number: int, tries: int = _TRIES) -> int:
        """The board's answer to a question, see `contract.serial_protocol`.

        Raises
        ------
        NoAnswer
            If none came, however often it was asked.
        """
        seen = b""
        for _ in range(tries):
            self.port.send(encode_question(number))
            try:
                answer = self.port.receive(self._patience + self.quiet, self.quiet + LATENCY)
            except NoAnswer as error:
                seen += error.bytes_seen
            else:
                if answer.status == Status.ANSWER:
                    return answer.word
                seen += bytes([0x5A, answer.status])
            seen += self.resynchronize()
        raise NoAnswer(seen)

    @property
    def compute_seconds(self) -> float:
        """Longest time that the board computes a sample; 0 until it has told its clock."""
        identity = getattr(self, "identity", None)
        if identity is None:
            return 0.0
        clock = identity.divisor * self.port.baud
        return float(self.directory.parameters.most_board_cycles / clock)

    @property
    def _patience(self) -> float:
        """Seconds for an answer beside those of the line and of computing."""
        return SLOWEST if self.simulated else 1.0

    def _identify(self) -> Identity:
        self.resynchronize()
        try:
            first = self.ask(0, 3)
            words = [first, *(self.ask(number) for number in range(1, WORDS))]
        except NoAnswer as error:
            raise UserError(f"{self.name}: {self._stranger(error.bytes_seen)}") from None
        try:
            identity = Identity.from_words(words)
        except ValueError as error:
            raise UserError(f"{self.name}: {error}; build and load the bitstream again") from None
        if identity.quiet_ms:
            self.quiet = identity.quiet_ms / 1000
        return identity

    def _stranger(self, seen: bytes) -> str:
        """What is on a port that does not answer questions."""
        if not seen:
            return (
                "no board answers; is it this port, is the bitstream loaded (`sstdp-hw flash`), "
                f"and was it built for --baud {self.port.baud}?"
            )
        if bytes([0x5A, Status.NOISE]) in seen:
            return (
                "the board does not tell which design it has, so its bitstream is of an earlier "
                "version; build and load it again"
            )
        return (
            f"what comes back is no answer of a board ({seen[:8].hex(' ')}); was its bitstream "
            f"built for --baud {self.port.baud}, and is it this port?"
        )

    def _check(self) -> None:
        wanted = str(self.directory.manifest["verilog_sha256"])
        if self.identity.verilog_sha256 != wanted:
            raise UserError(
                f"{self.name}: the board must have the accelerator of {self.directory.path} "
                f"(Verilog {wanted[:12]}...), and has another ({self.identity.verilog_sha256[:12]}"
                "...); load that one's bitstream with `sstdp-hw flash`"
            )

    def load(self, progress: Progress | None = None) -> None:
        """Send the weights of the folder's network, or of what was loaded into it instead, unless
        they are constants, or in the board's memory already.

        Parameters
        ----------
        progress : callable, optional
            `sstdp_hw.base.progress.progress` or the like: opened for every attempt, with what it
            is and its bytes.

        Raises
        ------
        UserError
            If the board refuses them, or nothing gets through.
        """
        if not self.directory.memory_bytes:
            return
        request = encode_memories(self.directory.memory_image())
        wrong = "no answer"
        for _ in range(_TRIES):
            if self._holds_weights():
                return
            try:
                answer = self._send_weights(request, progress)
            except NoAnswer:
                wrong = "no answer"
            else:
                if answer.status == Status.LOADED:
                    told = unpack(STATUS, answer.word)
                    if told["loaded"]:
                        return
                    if not self.directory.external:
                        raise UserError(
                            f"{self.name}: the board refused the weights: {refusal(told)}; build "
                            "and load the bitstream again"
                        )
                    # Damage that the line's checksum did not find, or of the memory.
                    wrong = "the board's memory holds other bytes; it may be broken"
                else:
                    wrong = _named(answer)
            self.resynchronize()
        raise UserError(
            f"{self.name}: weights did not get through in {_TRIES} attempts (last: {wrong}); is "
            "the line too noisy?"
        )

    def _send_weights(self, request: bytes, progress: Progress | None) -> Answer:
        """The board's answer to them, once they have come to their end."""
        opened = progress or (lambda _what, _bytes: nullcontext(lambda _count: None))
        what = f"Sending {len(request):,} bytes of weights to {self.name}"
        with opened(what, len(request)) as advance:
            self.port.send(request, advance)
            wait = self._patience + 1 + 2 * self.port.seconds(len(request))
            return self.port.receive(wait, self.quiet + LATENCY)

    def _holds_weights(self) -> bool:
        """Whether the board's own memory holds the folder's weights, the only ones it can."""
        if not self.directory.external:
            return False
        try:
            return bool(unpack(STATUS, self.ask(MEMORY_STATUS))["loaded"])
        except NoAnswer:
            return False

    def requests(self, samples: Array) -> list[bytes]:
        """The bytes that send each sample."""
        network, pauses = self.directory.network, self._pauses
        encode, t_max = REQUESTS[network.input_kind], network.t_max
        return [encode(sample, t_max, pauses) for sample in samples]

    @property
    def _pauses(self) -> tuple[int, int]:
        """Beats on the line behind an event, and more behind a step, that give the first layer its
        time: a line has no backpressure, and the board holds few events."""
        beat = 10 * EVENT_BYTES * self.identity.divisor
        event, step = self.directory.parameters.arrival_cycles
        return -(-event // beat) - 1, -(-step // beat)

    def play(
        self,
        samples: Array,
        *,
        retries: int = 30,
        progress: Callable[[int], None] | None = None,
    ) -> Played:
        """Send samples [N, ...] and collect the answers, in order.

        Several are on their way at once. At anything wrong the line falls quiet, and all whose
        answer is missing, or not sure, are sent again one by one; a sample that had ``retries``
        more attempts is left without. Three such in a row, or the end of the port, end it.

        Parameters
        ----------
        progress : callable, optional
            Called with the number of samples done since the last call.
        """
        requests = self.requests(samples)
        played = Played(np.full(len(requests), NO_ANSWER, np.int64))
        try:
            self._play(requests, played, retries, progress or (lambda _: None))
        except (KeyboardInterrupt, Terminated) as error:
            played.ended, self.interruption = "interrupted", error
        except UserError as error:
            played.ended = str(error)
        return played

    def _play(
        self,
        requests: Sequence[bytes],
        played: Played,
        retries: int,
        progress: Callable[[int], None],
    ) -> None:
        most = self._most_ahead(requests)
        ahead, failing, failures, given_up, shown = most, -1, 0, 0, 0
        sure = done = sent = 0
        while done < len(requests):
            if sent == done:  # nothing is on its way, so no answer can have been another's
                sure = done
            first, sent = sent, max(
                sent, min(done + ahead, sure + most * _BETWEEN_PAUSES, len(requests))
            )  # fmt: skip
            if sent > first:
                self.port.send(b"".join(requests[first:sent]))
                played.attempts += sent - first
            wrong = self._answer_to(played, done, sum(map(len, requests[done:sent])))
            if not wrong:
                done, given_up = done + 1, 0
                ahead = min(most, ahead + 1) if done > failing else 1
            else:
                played.errors[wrong] = played.errors.get(wrong, 0) + 1
                played.resynchronized += 1
                failures = failures + 1 if failing == done else 1
                failing, ahead = done, 1
                if failures > retries:
                    given_up, failures, done = given_up + 1, 0, done + 1
                else:
                    # A whole answer may have been lost before, and the next ones taken for it.
                    played.words[sure:done] = NO_ANSWER
                    done = sure
                sent = done
                self.resynchronize()
            if done > shown:
                progress(done - shown)
                shown = done
            if given_up == 3:
                raise UserError(
                    f"{self.name}: three samples in a row were not answered in {retries + 1} "
                    f"attempts each (last: {wrong}); is the line too noisy?"
                )

    def _answer_to(self, played: Played, number: int, waiting: int) -> str:
        """Take the answer to a sample; what was wrong, if anything."""
        timeout = self._patience + 2 * self.quiet + self.port.seconds(waiting)
        timeout += 4 * self.compute_seconds
        try:
            answer = self.port.receive(timeout, self.quiet + LATENCY)
        except NoAnswer as error:
            return "damaged answer" if error.bytes_seen else "no answer"
        if answer.status != Status.RESULT:
            return _named(answer)
        played.words[number] = answer.word
        return ""

    @property
    def _stops_the_line(self) -> bool:
        """Whether one sample's last layers keep more events of the next waiting than a queue holds:
        one engine takes the next sample when it has done with the one before."""
        parameters = self.directory.parameters
        waits = parameters.sequential is not None and parameters.input.kind == SPIKES
        return waits and self.compute_seconds > self.port.seconds(EVENT_BYTES * QUEUE_DEPTH)

    def _most_ahead(self, requests: Sequence[bytes]) -> int:
        """How many may be on their way: one, if computing takes longer than sending."""
        if not requests:
            return 1
        each = self.port.seconds(sum(map(len, requests))) / len(requests)
        if self.compute_seconds > each or self._stops_the_line:
            return 1
        return max(2, min(64, round(_AHEAD_SECONDS / each)))


def _named(answer: Answer) -> str:
    return Status(answer.status).name.lower()
