"""Runs the whole accelerator in Amaranth's simulator: gateware before any Verilog."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from amaranth.sim import Simulator

from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.blocks.pipeline import RESET_BEFORE_BEAT
from sstdp_hw.contract.event_packets import event_words
from sstdp_hw.contract.memory_image import memory_image
from sstdp_hw.reference.inference import sent_spikes
from sstdp_rtl.gateware.accelerator import AcceleratorTop

from .axi_memory import AxiMemory


@dataclass
class Seen:
    """What came out: answers as words, cycles from the first beat to each, and spikes as (probe,
    tag, step, neuron); of each load the cycles in which it was offered and had ended, and the
    status then."""

    words: list[int] = field(default_factory=list)
    cycles: list[int] = field(default_factory=list)
    spikes: list[tuple[int, int, int, int]] = field(default_factory=list)
    loads: list[list[int]] = field(default_factory=list)
    cycle: int = -1
    ended: int = 0


def beats_of(image, pixels_per_beat):
    """Beats of one image: bytes beyond the last pixel are 0xAA."""
    flat = [int(pixel) for pixel in image.reshape(-1)]
    flat += [0xAA] * (-len(flat) % pixels_per_beat)
    return [
        int.from_bytes(bytes(flat[start : start + pixels_per_beat]), "little")
        for start in range(0, len(flat), pixels_per_beat)
    ]


@dataclass(frozen=True)
class Load:
    """An image of the memories on its way.

    Parameters
    ----------
    words : int array
    before : int
        It is offered when so many images have been sent.
    last : int or None
        The word with ``last``; by default the last one.
    waits : bool
        No further image is sent before it has ended.
    """

    words: object
    before: int = 0
    last: int | None = None
    waits: bool = True


def packet_of(network, configuration, image):
    """Beats of one sample's packet, by the kind of the network's input."""
    if network.input_kind == "spikes":
        return event_words(image, network.t_max).tolist()
    return beats_of(image, configuration.pixels_per_beat)


def run(network, configuration, images, *, stalls=0.0, seed=0, limit=400_000, quiet=40, resets=0,
        packets=None, loads=None, memory=None, waits=frozenset()):  # fmt: skip
    """Feed images, collect one answer each; waits ``quiet`` cycles more for answers too many.

    ``images`` are spike times where the network takes these; ``packets``, lists of beats, are fed
    in place of what would be made of them.

    Before them come ``resets`` attempts that are cut off by a reset at a random moment; what they
    answer does not count.

    ``stalls`` is the chance of a gap before a beat and of backpressure in a cycle. ``loads``, of
    `Load`, are what the memories are written with, where they are; by default once, at the start,
    with what the network has. ``memory`` is an `AxiMemory` where weights are external; by default
    one that has the network's, and is as fast as can be. ``waits`` are numbers of a packet and a
    beat in it: that beat is offered when all packets before have been answered.
    """
    parameters = AcceleratorParameters(network, configuration)
    dut = AcceleratorTop(parameters)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    chance, seen, started = random.Random(seed), Seen(), []
    if loads is None:
        loads = [Load(memory_image(parameters))] if parameters.store.loaded else []
    sent, up = [0], []

    async def write(ctx):
        for number, load in enumerate(loads):
            while not up or sent[0] < load.before:
                await ctx.delay(1e-6)
            last = len(load.words) - 1 if load.last is None else load.last
            for place, word in enumerate(load.words):
                while chance.random() < stalls:
                    await ctx.tick()
                ctx.set(dut.s_axis_weights_tdata, int(word))
                ctx.set(dut.s_axis_weights_tlast, place == last)
                ctx.set(dut.s_axis_weights_tvalid, 1)
                if not place:
                    seen.loads.append([seen.cycle])
                await ctx.tick().until(dut.s_axis_weights_tready)
                ctx.set(dut.s_axis_weights_tvalid, 0)
            if load.last is None or load.last == len(load.words) - 1:
                await ctx.tick().until(~dut.weights_status[1])
            seen.loads[-1] += [seen.cycle, ctx.get(dut.weights_status)]
            seen.ended = number + 1

    async def written(ctx):
        """Wait until all that must be written by now has been."""
        due = [n for n, load in enumerate(loads) if load.waits and load.before <= sent[0]]
        while due and seen.ended <= due[-1]:
            await ctx.tick()

    if packets is None:
        packets = [packet_of(network, configuration, image) for image in images]

    async def feed(ctx):
        ctx.set(dut.aresetn, 0)
        await ctx.tick()
        await ctx.tick()
        ctx.set(dut.aresetn, 1)
        for _ in range(resets):
            await cut_off(ctx)
        up.append(True)
        for _ in range(RESET_BEFORE_BEAT):
            await ctx.tick()
        await written(ctx)
        started.append(True)
        for packet, beats in enumerate(packets):
            await written(ctx)
            for number, beat in enumerate(beats):
                while (packet, number) in waits and len(seen.words) < packet:
                    await ctx.tick()
                while chance.random() < stalls:
                    await ctx.tick()
                ctx.set(dut.s_axis_tdata, beat)
                ctx.set(dut.s_axis_tlast, number == len(beats) - 1)
                ctx.set(dut.s_axis_tvalid, 1)
                await ctx.tick().until(dut.s_axis_tready)
                ctx.set(dut.s_axis_tvalid, 0)
            sent[0] += 1

    async def cut_off(ctx):
        """Some good images and a part of one, some cycles of work, and a reset in the middle."""
        for _ in range(chance.randrange(4)):
            await offer(ctx, chance.choice(packets), 1.0, chance.randrange(400))
        await offer(ctx, chance.choice(packets), chance.random(), chance.randrange(400))
        for _ in range(chance.randrange(60)):
            await ctx.tick()
        ctx.set(dut.aresetn, 0)
        for _ in range(chance.randrange(1, 4)):
            await ctx.tick()
        ctx.set(dut.aresetn, 1)

    async def offer(ctx, beats, share, patience):
        """A share of an image's beats; gives up after ``patience`` cycles without progress."""
        for number, beat in enumerate(beats[: round(share * len(beats))]):
            ctx.set(dut.s_axis_tdata, beat)
            ctx.set(dut.s_axis_tlast, number == len(beats) - 1)
            ctx.set(dut.s_axis_tvalid, 1)
            for _ in range(patience + 1):
                _, _, ready = await ctx.tick().sample(dut.s_axis_tready)
                if ready:
                    break
            ctx.set(dut.s_axis_tvalid, 0)

    async def take(ctx):
        left, cycle = quiet, -1
        for _ in range(limit):
            cycle += bool(started)
            seen.cycle += 1
            ready = chance.random() >= stalls
            ctx.set(dut.m_axis_tready, ready)
            _, _, valid, word = await ctx.tick().sample(dut.m_axis_tvalid, dut.m_axis_tdata)
            if valid and ready and started:
                seen.words.append(word)
                seen.cycles.append(cycle)
            if len(seen.words) >= len(packets):
                left -= 1
            if not left:
                return
        raise AssertionError(f"{len(seen.words)} of {len(packets)} answers after {limit} cycles")

    async def watch(ctx):
        neurons = [parameters.input.order, *(layer.sent for layer in parameters.layers)]
        signals = [s for block in dut.probes for s in (block.spikes_valid, block.spikes)]
        async for _, _, *values in ctx.tick().sample(*signals):
            for probe, (valid, item) in enumerate(zip(values[::2], values[1::2], strict=True)):
                if valid:
                    seen.spikes.extend(_spikes(probe, item, neurons[probe]))

    if parameters.store.external:
        if memory is None:
            memory = AxiMemory(parameters.tiled.image(), parameters.store.base)
        memory.attach(simulator, dut)
    simulator.add_testbench(feed, background=True)
    simulator.add_testbench(watch, background=True)
    if loads:
        simulator.add_testbench(write, background=True)
    simulator.add_testbench(take)
    simulator.run()
    return seen


def _spikes(probe, item, neurons):
    if probe == 0:
        return [] if item.end else [(0, item.tag, item.step, int(neurons[item.index]))]
    if item.final:
        return []
    return [
        (probe, item.tag, item.step, int(neurons[index]))
        for index in range(item.base, item.base + item.fired.bit_length())
        if item.fired >> (index - item.base) & 1
    ]


def expected_words(inference):
    """The answers that the reference asks for, as words of the output stream."""
    return [
        int(number) | int(time) << 8 | int(silent) << 16
        for number, time, silent in zip(
            inference.classes, inference.decision_times, inference.silent, strict=True
        )
    ]


def expected_spikes(network, inference, image, live=None):
    """Every spike of one image as (probe, tag, step, neuron); the tag counts images modulo 8.
    ``live`` as of `sent_spikes`."""
    places = [0] + [index + 1 for index, _ in network.weighted]
    return {
        (probe, image % 8, int(time), neuron)
        for probe, place in enumerate(places)
        for neuron, time in enumerate(sent_spikes(network, inference, place, live)[image])
        if time < network.t_max
    }
