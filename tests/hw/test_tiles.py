"""How layers are cut into tiles, and what stands in the external memory."""

import numpy as np
import pytest
from support.networks import random_dense, small_network

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.axi_read import BOUNDARY, AxiReadParameters
from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.blocks.sequential.tiles import PAGE, Tile, TilePlan
from sstdp_hw.contract.external_memory import external_image, external_json
from sstdp_hw.network.layers import Flatten
from sstdp_hw.network.network import Network

BUS = AxiReadParameters(32)


def plan(
    shapes=((4, 9, 1), (3, 20, 4), (1, 12, 1)),
    row_bits=40,
    buffer_bits=0,
    bus=BUS,
    base=0,
    potentials=0,
):
    return TilePlan(shapes, row_bits, buffer_bits, bus, base, 10, potentials)


def external(network, lanes, **options):
    configuration = Configuration(
        (lanes,), architecture="sequential", weights="external", **options
    )
    return AcceleratorParameters(network, configuration)


def test_as_many_whole_groups_of_one_layer_as_fit_half_of_the_buffer():
    found = plan()
    assert (found.least_rows, found.half_rows) == (20, 20)
    assert found.tiles == (
        Tile(0, 0, 2, 18), Tile(0, 2, 2, 18),
        Tile(1, 0, 1, 20), Tile(1, 1, 1, 20), Tile(1, 2, 1, 20), Tile(2, 0, 1, 12),
    )  # fmt: skip
    assert found.counts() == [2, 3, 1]
    larger = plan(buffer_bits=2 * 45 * 40 + 79)
    assert (larger.half_rows, larger.counts()) == (45, [1, 2, 1])
    assert plan(buffer_bits=1 << 30).half_rows == 60, "no larger than the largest layer"


def test_potentials_cut_a_layer_too():
    found = plan(buffer_bits=2 * 60 * 40)
    assert found.counts() == [1, 1, 1]
    assert plan(buffer_bits=2 * 60 * 40, potentials=119).counts() == [1, 2, 1]
    assert plan(buffer_bits=2 * 60 * 40, potentials=40).counts() == [1, 3, 1]
    with pytest.raises(UserError, match=r"must be at least 40 bits, .* not 39; give it more"):
        plan(potentials=39)


def test_the_output_layer_is_one_tile():
    assert plan(((2, 5, 9), (6, 4, 1))).half_rows == 24


@pytest.mark.parametrize("width", [16, 32, 64, 128])
def test_tiles_begin_at_bursts_and_rows_at_beats(width):
    found = plan(bus=AxiReadParameters(width))
    assert found.row_beats == {16: 3, 32: 2, 64: 1, 128: 1}[width]
    assert all(offset % found.burst_bytes == 0 for offset in found.offsets)
    assert PAGE % found.burst_bytes == 0 and PAGE == BOUNDARY
    beats = sum(tile.rows for tile in found.tiles) * found.row_beats
    assert found.fetched_bytes == beats * width // 8
    for tile, first, end in zip(found.tiles, found.offsets, found.offsets[1:], strict=False):
        assert 0 <= end - first - found.beats(tile) * width // 8 < found.burst_bytes


def test_every_row_stands_at_its_place():
    found = plan()
    rows = [
        [(layer << 32) + row for row in range(groups * depth)]
        for layer, (groups, depth, _) in enumerate(found.shapes)
    ]
    image = found.image(rows)
    assert len(image) == found.size
    for layer, each in enumerate(rows):
        for number, row in enumerate(each):
            place = found.place(layer, number)
            assert int.from_bytes(image[place : place + 8], "little") == row
    with pytest.raises(ValueError, match="must be one of its rows, not 36"):
        found.place(0, 36)


@pytest.mark.parametrize("options, message", [
    ({"buffer_bits": 1599}, "must be at least 1,600 bits, .* not 1,599"),
    ({"base": 2048}, "must be a multiple of 4096 below 2\\^32, not 0x800"),
    ({"base": 1 << 32}, "must be a multiple of 4096 below"),
    ({"base": (1 << 32) - PAGE, "shapes": ((300, 9, 1), (1, 9, 1))}, "must end below 2\\^32"),
])  # fmt: skip
def test_plans_that_cannot_be(options, message):
    with pytest.raises(UserError, match=message):
        plan(**options)


@pytest.mark.parametrize("options, message", [
    ({"architecture": "streaming"}, "Architecture must be sequential with weights in external"),
    ({"memory_width": 24}, "must be 16, 32, 64 or 128 bits, not 24"),
    ({"weight_buffer": -1}, "Weight buffer must be at least 0 bits, not -1"),
    ({"weights": "rom", "base_address": 4096}, "A base address goes with --weights external"),
    ({"weights": "rom", "base_port": True}, "A port of the base address goes with --weights exte"),
    ({"batch": 0}, "Batch must be between 1 and 8 images, not 0"),
    ({"batch": 9}, "Batch must be between 1 and 8 images, not 9"),
    ({"weights": "rom", "batch": 2}, "A batch goes with --weights external, and weights are rom"),
    ({"weights": "loadable", "batch": 2}, "A batch goes with --weights external"),
    ({"weights": "rom", "architecture": "streaming", "batch": 2}, "A batch goes with --weights ex"),
    ({"spram": 2}, "SPRAM must be used with weights that are loaded, not external"),
    ({"membrane_width": (9,)}, "Membrane width must be given with weights that are loaded"),
])  # fmt: skip
def test_configurations_that_cannot_be(options, message):
    changed = {"architecture": "sequential", "weights": "external", **options}
    with pytest.raises(UserError, match=message):
        _ = AcceleratorParameters(small_network(), Configuration((4,), **changed)).store


def test_a_tile_is_a_layer_with_fewer_channels():
    parameters = external(small_network(), 4, memory_width=16)
    engine = parameters.tiled
    assert engine.plan.counts()[0] > 1 and engine.replays
    for number, layer in enumerate(engine.layers):
        parts = [
            tile for tile, at in zip(engine.passes, engine.pass_layers, strict=True) if at == number
        ]
        assert [row for tile in parts for row in tile.weight_rows()] == layer.weight_rows()
        assert np.concatenate([tile.initial for tile in parts]).tolist() == layer.initial.tolist()
        assert [tile.last_group + 1 for tile in parts[:-1]] == [
            tile.first_group for tile in parts[1:]
        ]
    first, _ = engine.list_items
    hidden = engine.layers[0].neurons
    assert first == hidden + engine.plan.counts()[0] * engine.t_max
    assert engine.memory_bits > 2 * engine.plan.half_rows * engine.plan.row_bits


def test_memories_of_a_batch():
    """Lists have a segment for each image, and events of as many stand in a ring."""
    network = small_network()
    alone = external(network, 4, memory_width=16).tiled
    for size, places in ((2, 4), (3, 8), (4, 8), (5, 16), (8, 16)):
        parameters = external(network, 4, memory_width=16, batch=size)
        engine = parameters.tiled
        assert engine.plan.tiles == alone.plan.tiles
        assert engine.list_items == (size * alone.list_items[0], alone.list_items[1])
        assert size * engine.events <= engine.kept_events < 2 * size * engine.events
        assert engine.image_places == places and not engine.replays
        told = external_json(parameters)
        assert told["bytes_per_batch"] == engine.plan.fetched_bytes
        assert told["bytes_per_image"] == -(-told["bytes_per_batch"] // size)
    assert alone.kept_events == alone.events < engine.kept_events


def test_potentials_of_a_network_without_positions_are_not_limited_in_silence():
    """Its tiles share one memory, which no cut makes smaller."""
    engine = external(small_network(), 4).tiled
    needed = engine.plan.word_bits * engine.words
    assert external(small_network(), 4, potential_memory=needed).tiled.words == engine.words
    with pytest.raises(UserError, match=rf"at least {needed:,} bits, not {needed - 1:,}: without"):
        external(small_network(), 4, potential_memory=needed - 1)


def test_what_the_manifest_says_of_the_memory():
    parameters = external(small_network(), 4, base_address=0x10000)
    told, plan = external_json(parameters), parameters.tiled.plan
    image = external_image(parameters)
    assert (told["base_address"], told["bytes"]) == (0x10000, len(image))
    assert [tile["offset"] for tile in told["tiles"]] == plan.offsets[:-1]
    beats = sum(tile["beats"] for tile in told["tiles"])
    assert told["bytes_per_image"] == 4 * beats == plan.fetched_bytes


def test_a_network_of_one_layer_is_one_tile():
    rng = np.random.default_rng(0)
    encoder = np.zeros(256, np.uint8)
    layers = (Flatten(), random_dense(rng, 5, 4, 3))
    network = Network("one", 2, (1, 2, 2), tuple("abcde"), encoder, layers)
    engine = external(network, 2).tiled
    assert engine.plan.counts() == [1] and not engine.replays
