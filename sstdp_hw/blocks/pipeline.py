"""Stages, queues and limits of the accelerator's pipeline: figures that no network changes.

The gateware is built with them and the cycle model counts with them. What depends on a network or a
configuration is a property of the parameters in `hardware`.
"""

from __future__ import annotations

#: Bits of the tag that tells images in flight apart.
TAG_WIDTH = 3

#: The encoder lets at most this many images into the chain, so that tags compare by their
#: difference.
MAX_IN_FLIGHT = 1 << (TAG_WIDTH - 1)

#: Images at most that share one fetch of external weights: a layer shows the spikes of one image
#: after the other, tile by tile, and tags tell them apart.
MAX_BATCH = 1 << TAG_WIDTH

#: Images that the encoder can hold, one in each of its sorters.
SORTERS = 2

#: Items that a queue between two blocks holds; 16 fill the smallest LUT RAM of the common FPGAs.
QUEUE_DEPTH = 16

#: Events that the queue in front of a convolution layer holds, unless they come from the encoder:
#: so many that the layer in front can be a step or an image ahead, the words of a block RAM.
BACKLOG_DEPTH = 512

#: Items of the queue behind the input port, which is there to register its ready.
INPUT_QUEUE_DEPTH = 4

#: Beats at most that the encoder's queue holds: more gain little and cost LUT RAM.
LARGEST_BEAT_QUEUE = 128

#: Cycles from an item's write into a queue to the first one in which it can be read.
QUEUE_LATENCY = 2

#: Cycles from a transfer at a queue to the ``has_room`` that counts it.
HAS_ROOM_LATENCY = 2

#: Rows of a bank. Block RAM has no room for a multiplexer between it and the next register at a
#: high clock, so that every bank of a deep memory has a register of its own.
BANK_ROWS = 2048

#: Bits of a word on the stream that brings weights, and of a column of a memory that it writes.
WORD_BITS = 32

#: Rows and bits of one single-port RAM of the iCE40 UltraPlus (Lattice FPGA-TN-02022).
SPRAM_ROWS, SPRAM_BITS = 16_384, 16

#: Bits up to which the encoder's table of live pixels is made of logic; above, block RAM is
#: cheaper.
LARGEST_TABLE = 256

#: Bits of a word of a memory at most: Amaranth numbers the outputs of a cell with 16 bits.
LARGEST_WORD = (1 << 16) - 1

#: Groups up to which the potentials are kept in LUT RAM, whose smallest piece has 16 rows.
LUT_RAM_DEPTH = 16

#: Groups from which on a group's sums may be written one cycle later than they are added.
LATE_WRITE_GROUPS = 3

#: Lanes of a hidden layer that work in the same cycle; wider layers are cut into slices, each one
#: cycle behind the one before, because a signal that reaches all lanes at once is slow.
SLICE_LANES = 32

#: Stages of a layer beside those of its weight memory: the address before it, the adders behind.
LAYER_STAGES = 2

#: Stages of a convolution layer beside those of its weight memory: the address before it, the
#: adders and who is above threshold behind.
CONV_STAGES = 3

#: Stages of a convolution layer between an event's coordinates and the queue of walks: what the
#: coordinates stand for, their sum.
LOCATE_STAGES = 2

#: Stages of a pooling layer between an event's coordinates and the stamp of its cell: what the
#: coordinates stand for, their sum.
POOL_STAGES = 2

#: Cycles after the issue of a word in which a convolution layer cannot issue it again: from the
#: cycle in which its potentials are fetched to the one in which they are written.
CONV_HAZARD = 3

#: Cycles from an address of a memory of stamps to whether the word is new in the image.
STAMP_LATENCY = 3

#: Bits of a stamp at most; the width of the narrow block RAMs.
MAX_STAMP_WIDTH = 8

#: Lanes that one priority encoder looks at; wider groups are cut into pieces of this size first.
PIECE = 16

#: Stages of a splitter between the present group and its queue: which piece, the piece.
SPLITTER_STAGES = 2

#: Stages of a serializer between the present group and its queue: lane, neuron, the event held.
SERIALIZER_STAGES = 3

#: Cycles from the first look at a step's list in a sorter to its first spike.
LIST_LATENCY = 3

#: Cycles between two spikes of one list of a sorter.
LIST_INTERVAL = 2


#: Cycles in which an image of the memories is on its way beside those of its words: the wish for
#: it, an empty chain, the register of words, the judgement.
LOAD_LATENCY = 4


#: Cycles from an answer to the offer of an image of the memories, and from the end of that to the
#: next beat, as the co-simulation plays it.
RELOAD_LATENCY = 3

#: Cycles from an answer to the first beat of the next image, where these come one at a time, as the
#: co-simulation plays it.
NEXT_BEAT_LATENCY = 2

#: Cycles from the end of the reset to the first beat, as the co-simulation plays it.
RESET_BEFORE_BEAT = 1


def rom_latency(rows: int, style: str, bank_rows: int = BANK_ROWS) -> int:
    """Cycles from an address to its row.

    1 for ``logic``; for ``block`` RAM, and ``spram``, 3, with its own register and one near what
    reads it; 4 for several banks of it, which are joined in the last.
    """
    if style == "logic":
        return 1
    return 3 if rows <= (SPRAM_ROWS if style == "spram" else bank_rows) else 4


def spram_count(width: int, rows: int) -> int:
    """Single-port RAMs that so many rows take, each in columns of `WORD_BITS`."""
    columns, rest = divmod(width, WORD_BITS)
    wide = columns * (WORD_BITS // SPRAM_BITS) + -(-rest // SPRAM_BITS)
    return wide * -(-rows // SPRAM_ROWS)


def stamp_width(rows: int) -> int:
    """Bits of the stamps of a memory, which is cleared whenever they wrap: so many that this costs
    about a cycle per image, up to the width of a block RAM."""
    return min(MAX_STAMP_WIDTH, max(2, rows.bit_length()))


def queue_latency(depth: int) -> int:
    """Cycles from an item's write into a queue to the first one in which it can be read."""
    return QUEUE_LATENCY + (depth > QUEUE_DEPTH)


def reserve(stages: int) -> int:
    """Places a queue keeps for a producer of so many stages that cannot stop: one for each, and one
    for what is issued while the queue's level is on its way."""
    return stages + 1


def most_with_room(reserved: int, depth: int = QUEUE_DEPTH) -> int:
    """Most items in a queue at which its ``has_room`` is high; one more place is kept free for the
    register of ``has_room``."""
    return depth - reserved - 2
