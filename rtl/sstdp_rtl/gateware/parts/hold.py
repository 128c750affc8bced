"""The end of a step, known only after its last event: one event is held back."""

from amaranth.hdl import Signal


def hold_back(m, queue, event, valid, closes):
    """Write events into ``queue``, the last one of each step with ``last`` set.

    One event is held until it is known whether it closes its step: an event that has ``last`` or
    ``end`` set leaves in the next cycle, any other one with the one after it.

    Parameters
    ----------
    m : Module
    queue : queue.Queue
        Has room whenever ``valid``.
    event : `streams.event_layout`
    valid : Signal
    closes : Signal
        No event: the one before it was the last of its step.
    """
    held = Signal.like(event, name="held", reset_less=True)
    holding = Signal()
    m.d.comb += [
        queue.i.valid.eq(holding & (valid | held.last | held.end)),
        queue.i.payload.eq(held),
        queue.i.payload.last.eq(held.last | (valid & closes & ~held.end)),
    ]
    with m.If(valid & ~closes):
        m.d.sync += [holding.eq(1), held.eq(event)]
    with m.Elif(queue.i.valid):
        m.d.sync += holding.eq(0)
