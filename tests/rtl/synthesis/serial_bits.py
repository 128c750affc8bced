"""Host side of the serial line in `amaranth.sim`: bytes as bits, and streams with random stalls."""


async def send_serial(ctx, line, data, divisor):
    """Send bytes 8N1 on a signal, back to back."""
    for byte in data:
        for bit in (0, *(byte >> i & 1 for i in range(8)), 1):
            ctx.set(line, bit)
            await ctx.tick().repeat(divisor)


async def receive_serial(ctx, line, divisor, received):
    """Append to ``received`` each byte that comes on the line, as long as the simulation runs."""
    while True:
        await ctx.negedge(line)
        await ctx.tick().repeat(divisor + divisor // 2)
        byte = 0
        for bit in range(8):
            byte |= ctx.get(line) << bit
            await ctx.tick().repeat(divisor)
        assert ctx.get(line) == 1, "stop bit"
        received.append(byte)


async def put(ctx, stream, payload):
    """Offer one item and wait until it is taken."""
    ctx.set(stream.payload, payload)
    ctx.set(stream.valid, 1)
    await ctx.tick().until(stream.ready)
    ctx.set(stream.valid, 0)


async def get(ctx, stream):
    """Take one item."""
    ctx.set(stream.ready, 1)
    (payload,) = await ctx.tick().sample(stream.payload).until(stream.valid)
    ctx.set(stream.ready, 0)
    return payload
