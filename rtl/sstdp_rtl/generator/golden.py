"""A testbench with golden answers, for whoever puts the accelerator into a design of their own.

Plain Verilog-2005 without files beside it. It needs no Python, so it shows in any simulator that
the Verilog arrived whole; the proof is the co-simulation of whole test sets.
"""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np

from sstdp_hw.base.templates import filled
from sstdp_hw.blocks.pipeline import WORD_BITS
from sstdp_hw.blocks.widths import index_width
from sstdp_hw.contract.answer import LOAD, pack_answers
from sstdp_hw.contract.event_packets import EVENT, event_words, read_words
from sstdp_hw.contract.external_memory import (
    beats_of,
    memory_connections,
    memory_instance,
    memory_model,
    told_base,
)
from sstdp_hw.contract.fields import pack
from sstdp_hw.contract.memory_image import STATUS, memory_image
from sstdp_hw.reference import inference as reference

from ..gateware.parts.rom import fill_memory

TEMPLATE = Path(__file__).with_name("testbench.template.v")
IMAGES = 5
CUT = 2  # the image whose packet ends early, or has wrong events
CANDIDATES = 32  # drawings among which they are chosen
STROKE_DOTS = 16
SIDES = (4, 6, 8, 14)  # of an image, in radii of a stroke
QUIET_CYCLES = 256

#: What else the testbench has where weights are loaded: the image of the memories, sent at once.
LOADING = """\
  localparam WORDS = {words};  // of the image of the memories
  reg  [31:0] words [0:WORDS-1];
  reg  [31:0] word;
  initial word = 0;
  wire w_valid = aresetn & (word < WORDS);
  wire w_ready;
  wire [31:0] w_status;
"""
LOAD_STEP = """\
    word <= word + (w_valid & w_ready);
    if (answer & (w_status !== 32'h{status:08x})) begin
      $display("Answer %0d: status of the weights is %h", answered, w_status);
      fail;
    end
"""
LOADING_PORTS = """,
    .s_axis_weights_tdata(words[word]),
    .s_axis_weights_tvalid(w_valid),
    .s_axis_weights_tready(w_ready),
    .s_axis_weights_tlast(word + 1 == WORDS),
    .weights_status(w_status)"""

#: Where they stand in an external memory: how it behaves.
MEMORY = {
    "clk": "aclk", "rst_n": "aresetn", "begin_n": "aresetn", "latency": "32'd16",
    "stalls": "8'd32", "faults": "8'd0", "seed": "32'd1",
}  # fmt: skip


def testbench_module(parameters):
    """Name of the testbench's module."""
    return f"{parameters.prefix}testbench"


def golden_testbench(parameters):
    """The testbench of one accelerator as Verilog text; the same parameters give the same bytes.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.hardware.AcceleratorParameters
    """
    images = _images(parameters.network)
    packets, answers = PACKETS[parameters.input.kind](parameters, images)
    beat_bits = parameters.input.data_width
    beats = [
        word | (number == len(packet) - 1) << beat_bits
        for packet in packets
        for number, word in enumerate(packet)
    ]
    # A row more than there is, for what stands there when all is done.
    contents = [
        *fill_memory("beats", beat_bits + 1, [*beats, 0]),
        *(f"  initial answers[{n}] = 32'h{word:08x};" for n, word in enumerate([*answers, 0])),
    ]
    loading: dict[str, str] = dict.fromkeys(("loading", "load", "loading_ports"), "")
    words = 0
    if parameters.store.loaded:
        image = memory_image(parameters).tolist()
        words, contents = len(image), [*contents, *fill_memory("words", WORD_BITS, image, "IMAGE")]
        # One image of the memories has ended, whole and right.
        status = pack(STATUS, {"loaded": 1, "load": 1, "ended": 1})
        loading = {
            "loading": LOADING.format(words=words),
            "load": LOAD_STEP.format(status=status),
            "loading_ports": LOADING_PORTS,
        }
    model = ""
    if parameters.store.external:
        module = f"{testbench_module(parameters)}_memory"
        width = parameters.tiled.plan.bus.data_width
        loading["loading"] = memory_instance(width, module, "bus_memory", MEMORY)
        loading["loading_ports"] = memory_connections(width, told_base(parameters))
        filling = fill_memory("words", width, beats_of(parameters), "IMAGE")
        model = memory_model(parameters, module, "\n".join(["  integer i;", *filling]))
    text = filled(
        TEMPLATE, module=testbench_module(parameters), top=parameters.top, beats=len(beats),
        answers=len(answers), timeout=8 * parameters.most_cycles + 8 * len(beats) + words,
        quiet=QUIET_CYCLES, beat_bits=beat_bits, position_bits=index_width(len(beats) + 1),
        answer_bits=index_width(len(answers) + 1), first_stall=4 * parameters.beats,
        contents="\n".join([*contents, ""]), **loading,
    )  # fmt: skip
    return text + model


def _images(network):
    """Drawings whose answers differ as much as those of all candidates do: uint8 [IMAGES, ...].
    Where the input is spikes, bright places fire early.

    Most networks of convolutions find nothing in them and answer by the largest margin, which
    needs every spike.
    """
    channels, rows, columns = network.input_shape
    drawings = np.stack([_drawing(number, rows, columns) for number in range(CANDIDATES)])
    images = np.repeat(drawings[:, None], channels, axis=1)
    if network.input_kind == "spikes":
        images = ((255 - images.astype(int)) * (network.t_max + 1) >> 8).astype(np.uint8)
    found = reference.run(network, images)
    ranks, seen = [], Counter()  # silent ones last, then by images before of the same class
    for silent, chosen in zip(found.silent.tolist(), found.classes.tolist(), strict=True):
        ranks.append((silent, seen[silent, chosen]))
        seen[silent, chosen] += 1
    order = sorted(range(CANDIDATES), key=ranks.__getitem__)
    return images[order[:IMAGES]]


def _drawing(number, rows, columns):
    """A few strokes on faint noise, bright on dark or dark on bright: uint8 [rows, columns].

    From a hash function and integers: the same bytes everywhere and with every numpy.
    """
    turned, number_of_strokes, thickness = number % 2, 1 + number // 2 % 4, number // 8 % 4
    radius = STROKE_DOTS * min(rows, columns) // SIDES[thickness]
    stream = hashlib.shake_256(f"sstdp-hw {number}".encode()).digest(64 + rows * columns)
    image = (np.frombuffer(stream[64:], np.uint8) >> 4).reshape(rows, columns).copy()
    y, x = np.indices((rows, columns))
    for stroke in range(number_of_strokes):
        ends = stream[4 * stroke : 4 * stroke + 4]
        y0, x0, y1, x1 = (b * n >> 8 for b, n in zip(ends, (rows, columns) * 2, strict=True))
        for part in range(STROKE_DOTS):
            dy = y * STROKE_DOTS - y0 * (STROKE_DOTS - part) - y1 * part
            dx = x * STROKE_DOTS - x0 * (STROKE_DOTS - part) - x1 * part
            image[dy**2 + dx**2 <= radius**2] = 255 - 32 * (number % 3)
    return ~image if turned else image


def _sent_beats(parameters, number):
    """Beats of the packet of an image; of the one that ends early half of them, if it has two."""
    return max(1, parameters.beats // 2) if number == CUT else parameters.beats


def _image_packets(parameters, images):
    """Beats of each packet and the answer words; pixels that are not sent never fire."""
    size = parameters.pixels_per_beat
    sent = np.array([_sent_beats(parameters, number) for number in range(len(images))])
    packets = []
    for image, count in zip(images, sent, strict=True):
        data = image.tobytes().ljust(parameters.beats * size, b"\xff")  # must be ignored
        packets.append(
            [int.from_bytes(data[n * size : (n + 1) * size], "little") for n in range(count)]
        )
    there = np.arange(parameters.pixels) < sent[:, None] * size
    found = reference.run(parameters.network, images, present=there.reshape(images.shape))
    return packets, _answers(parameters, found, sent < parameters.beats)


def _event_packets(parameters, samples):
    """Beats of each packet and the answer words; one packet ends with an index out of range, with
    an input that has fired, and with a step before the others."""
    t_max = parameters.t_max
    packets = [event_words(sample, t_max).tolist() for sample in samples]
    latest = max(0, min(t_max, int(samples[CUT].max())) - 1)
    packets[CUT] += [
        pack(EVENT, {"index": (1 << EVENT[0].width) - 1, "step": latest}),
        packets[CUT][0] & (1 << EVENT[0].width) - 1 | (t_max - 1) << EVENT[1].offset,
        pack(EVENT, {"index": 0, "step": 0}),
    ]
    read = [read_words(packet, parameters.pixels, t_max) for packet in packets]
    times = np.stack([sample for sample, _ in read]).reshape(samples.shape)
    found = reference.run(parameters.network, times)
    return packets, _answers(parameters, found, np.array([error for _, error in read]))


def _answers(parameters, found, errors):
    words = pack_answers(
        {
            "class": found.classes, "decision_time": found.decision_times, "silent": found.silent,
            "frame_error": errors,
        }
    )  # fmt: skip
    return (words | parameters.store.loaded << LOAD.offset).tolist()  # the first load


#: By the kind of the accelerator's input: beats of the packets, and the answers to them.
PACKETS = {"pixels": _image_packets, "spikes": _event_packets}
