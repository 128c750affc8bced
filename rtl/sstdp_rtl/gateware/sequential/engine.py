"""The sequential engine: events of the first layer in, groups of the output layer out."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import TAG_WIDTH
from sstdp_hw.blocks.widths import index_width as bits_of

from ..external.batch import Batch
from ..external.gathered import Gathered
from ..external.lists import TiledSpikeLists
from ..external.replay import Replay
from ..parts.streams import TRACED, event_layout, group_layout
from .fetch import Fetch
from .lanes import EngineLanes
from .lists import SpikeLists, channel_of
from .memories import filling_members, loading_members
from .pooled import Pooled
from .tables import by_layer
from .walk import Walk


class Probe:
    """What a simulation sees of one layer; used by nothing else.

    Parameters
    ----------
    spikes : Signal
        The same for all layers.
    spikes_valid : Signal
    """

    def __init__(self, spikes, spikes_valid):
        self.spikes, self.spikes_valid = spikes, spikes_valid


class Engine(wiring.Component):
    """Computes the layers of an image one after the other; with a batch, every tile of a layer for
    all its images.

    Events of the next image are taken when the one before has passed the output layer, which ends
    with its decision if there is early exit. Groups of the output layer are shown one at a time: in
    a step in which a neuron fires those with one, and the last one with ``close``; at the end of an
    image all of them, with ``final``.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.sequential.engine.EngineParameters
    index_width, step_width : int
        Of the events that come in.
    early_exit : bool

    Attributes
    ----------
    probes : list of Probe
        One for each layer, with groups that fire, and one with ``final`` at the end of the layer.

    Members
    -------
    i : stream of `event_layout`
    o : stream of `group_layout`
    load, void : In
        Where weights are loaded: `memories.loading_members`, and of `walk.Walk`.
    fill, there, bad, tile_ends
        Where they come from an external memory: of `external.loader.TileLoader`, where the last one
        is called ``ends``.
    bus_error : Out(1)
        Then, with a group of the output layer: a tile of the image failed.
    errors : In(1 << TAG_WIDTH)
        With a batch: frame error of every tag, as they come with the events.
    writing : Out(TAG_WIDTH)
        With a batch: the tag of the image whose events come; those of images before are kept here.
    frame_error : Out(1)
        With a batch, with a group of the output layer: the image's packet had the wrong length.
    """

    def __init__(self, parameters, index_width, step_width, early_exit):
        self.p, self.index_width, self.early_exit = parameters, index_width, early_exit
        self.step_width = step_width
        p = parameters
        probe = group_layout(p.lanes, p.output.spike_width, step_width)
        self.spikes = Signal(probe, attrs=TRACED)
        self.spikes_valid = [
            Signal(name=f"spikes_valid_{number}", attrs=TRACED) for number in range(len(p.layers))
        ]
        self.probes = [Probe(self.spikes, valid) for valid in self.spikes_valid]
        self.group_layout = group_layout(
            p.lanes, bits_of(p.output.neurons), step_width, p.widths.membrane
        )
        super().__init__(
            {
                "i": In(stream.Signature(event_layout(index_width, step_width))),
                "o": Out(stream.Signature(self.group_layout)),
                **loading_members(p),
                **({"void": In(1)} if p.store.loaded else {}),
                **(self._tile_members() if p.tiled else {}),
            }
        )

    def _tile_members(self):
        return {
            **filling_members(self.p),
            "there": In(1),
            "bad": In(1),
            "tile_ends": Out(1),
            "bus_error": Out(1),
            **(self._batch_members() if self.p.batch > 1 else {}),
        }

    def _batch_members(self):
        return {
            "errors": In(1 << TAG_WIDTH),
            "writing": Out(TAG_WIDTH),
            "frame_error": Out(1),
        }

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.fetch = fetch = Fetch(p, self.index_width, self.step_width)
        m.submodules.lists = lists = TiledSpikeLists(p) if p.tiled else SpikeLists(p)
        m.submodules.walk = walk = Walk(p, self.early_exit)
        m.submodules.lanes = lanes = EngineLanes(p)
        if not p.tiled:
            wiring.connect(m, wiring.flipped(self.i), fetch.i)
        wiring.connect(m, lists.o, fetch.spikes)
        wiring.connect(m, fetch.o, walk.i)
        if p.store.loaded:
            m.d.comb += [lanes.load.eq(self.load), walk.void.eq(self.void)]
        place, passes = lanes.word.place, lanes.fires
        if p.pooled:
            m.submodules.pooled = pooled = Pooled(p)
            early = walk.word
            for stage in range(p.latency - pooled.ahead):
                later = Signal.like(walk.word, name=f"early_{stage}", reset_less=True)
                m.d.sync += later.eq(early)
                early = later
            m.d.comb += [
                pooled.early.eq(early),
                pooled.word.eq(lanes.word),
                pooled.done.eq(lanes.done),
                pooled.fires.eq(lanes.fires),
                pooled.layer.eq(walk.layer),
            ]
            place, passes = pooled.place, pooled.passes
        # The layer is complete for the present image, and for all that it is run for.
        layer_ends = all_end = walk.ends
        if p.tiled:
            layer_ends, all_end = self._tiles(m, fetch, lists, walk, lanes)
        hidden = lanes.done & lanes.word.compare & ~lanes.word.shown
        m.d.comb += [
            fetch.layer.eq(walk.layer),
            fetch.tag.eq(walk.tag),
            fetch.restart.eq(walk.ends),
            lanes.i.eq(walk.word),
            lanes.valid.eq(walk.valid),
            lanes.weight.eq(walk.weight),
            lanes.layer.eq(walk.layer),
            walk.candidate.eq(lanes.candidate),
            walk.candidate_valid.eq(lanes.candidate_valid),
            lists.swap.eq(all_end),
            lists.starts.eq(walk.image_ends),
            lists.valid.eq(walk.marks | (hidden & passes.any())),
        ]
        with m.If(walk.marks):
            m.d.comb += lists.item.eq(walk.marker)
        with m.Else():
            m.d.comb += [lists.item.place.eq(place), lists.item.fired.eq(passes)]
        self._show(m, walk, lanes)
        self._trace(m, walk, lanes, layer_ends)
        return m

    def _tiles(self, m, fetch, lists, walk, lanes):
        """What tiles need; the signals that a layer ends with the present one, for the present
        image, and for the last one of a batch, too."""
        p = self.p
        numbers = p.pass_layers
        lasts = [
            int(number != after) for number, after in zip(numbers, (*numbers[1:], -1), strict=True)
        ]
        layer_ends, failed = Signal(), Signal()
        again = self._batch(m, fetch, lists, walk) if p.batch > 1 else None
        done = walk.ends if again is None else walk.ends & ~again  # not needed for another image
        m.d.comb += [
            layer_ends.eq(walk.ends & by_layer(m, walk.layer, lasts, "last_tile")),
            lists.ends.eq(walk.ends),
            lanes.fill.eq(self.fill),
            walk.void.eq(~self.there),
            self.tile_ends.eq(done),
            self.bus_error.eq(failed | self.bad),
        ]
        with m.If(done):
            m.d.sync += failed.eq(self.bus_error & ~walk.image_ends)
        if again is not None:
            return layer_ends, layer_ends & ~again
        if not p.replays:
            wiring.connect(m, wiring.flipped(self.i), fetch.i)
            return layer_ends, layer_ends
        m.submodules.replay = replay = Replay(p, self.index_width, self.step_width)
        wiring.connect(m, wiring.flipped(self.i), replay.i)
        wiring.connect(m, replay.o, fetch.i)
        m.d.comb += [
            replay.again.eq((walk.layer != 0) & (walk.layer < numbers.count(0))),
            replay.tag.eq(walk.tag),
            replay.restart.eq(walk.ends),
            replay.clear.eq(walk.image_ends),
        ]
        return layer_ends, layer_ends

    def _batch(self, m, fetch, lists, walk):
        """What a batch needs; the signal that the present tile is run for another image."""
        p = self.p
        last_of_first, last = p.pass_layers.count(0) - 1, len(p.passes) - 1
        m.submodules.batch = batch = Batch(p)
        m.submodules.gathered = gathered = Gathered(p, self.index_width, self.step_width)
        wiring.connect(m, wiring.flipped(self.i), gathered.i)
        wiring.connect(m, gathered.o, fetch.i)
        m.d.comb += [
            batch.arrived.eq(gathered.arrived),
            batch.first_pass.eq(walk.layer == 0),
            batch.last_pass.eq(walk.layer == last),
            batch.ends.eq(walk.ends),
            gathered.errors.eq(self.errors),
            gathered.number.eq(batch.number),
            gathered.first.eq(batch.first),
            gathered.restart.eq(walk.ends),
            gathered.again.eq(batch.again),
            gathered.frees.eq(walk.layer == last_of_first),
            walk.again.eq(batch.again),
            walk.next_tag.eq(batch.after),
            lists.image.eq(batch.number),
            lists.again.eq(batch.again),
            self.writing.eq(gathered.arrived),
            self.frame_error.eq(gathered.error),
        ]
        return batch.again

    def _show(self, m, walk, lanes):
        """Hand groups of the output layer to the decision."""
        p, word, item = self.p, lanes.word, self.o.payload
        group = Signal(p.group_width, reset_less=True)
        close = Signal(reset_less=True)
        shown = lanes.done & word.shown
        any_fired = walk.fired | lanes.fires.any()
        m.d.comb += [
            walk.showing.eq(self.o.valid),
            item.tag.eq(walk.tag),
            item.close.eq(close),
            item.step.eq(walk.step),
            item.base.eq(channel_of(p.lanes, group)),
            item.fired.eq(lanes.fires),
            item.v.eq(lanes.v),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(shown):
            m.d.sync += [
                self.o.valid.eq(word.final | lanes.fires.any() | (word.last & any_fired)),
                item.final.eq(word.final),
                close.eq(word.last & ~word.final),
                group.eq(word.place.group),
                walk.fired.eq(any_fired),
            ]
        with m.If(walk.begins):
            m.d.sync += walk.fired.eq(0)

    def _trace(self, m, walk, lanes, layer_ends):
        """Show the spikes of every layer, before pooling, and its end."""
        p, place, item = self.p, lanes.word.place, self.spikes
        base = Signal(p.widths.channel)
        fires = lanes.done & lanes.word.compare & lanes.fires.any()
        present = walk.layer
        if p.tiled:
            present = by_layer(m, present, p.pass_layers, "present", bits_of(len(p.layers)))
        m.d.comb += [
            base.eq(channel_of(p.lanes, place.group)),
            item.tag.eq(walk.tag),
            item.final.eq(layer_ends),
            item.step.eq(walk.step),
            item.base.eq(Cat(base, place.x, place.y)),
            item.fired.eq(lanes.fires),
            *(
                valid.eq((present == number) & (fires | layer_ends))
                for number, valid in enumerate(self.spikes_valid)
            ),
        ]
