"""Arrays as pictures: PNG in a data URI, the same bytes for the same array.

Pictures stand on light and on dark pages, so what says nothing is transparent: a silent neuron, a
weight of zero.
"""

from __future__ import annotations

import base64
import io
import math

import numpy as np
from PIL import Image

from ...network.layers import Array

#: Early spikes are yellow, late ones dark violet: viridis, by eight of its colours.
VIRIDIS = (
    "#fde725", "#a0da39", "#4ac16d", "#1fa187", "#277f8e", "#365c8d", "#46327e", "#440154",
)  # fmt: skip
#: Between the tiles of a sheet.
GRID = (110, 118, 130, 170)
POSITIVE, NEGATIVE = "#d55e00", "#3a8fd6"


def rgb(colour: str) -> Array:
    return np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)], np.float64)


def uri(pixels: Array) -> str:
    """A data URI of uint8 pixels [H, W], [H, W, 3] or [H, W, 4]."""
    written = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(written, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode("ascii")


def of_pixels(image: Array) -> Array:
    """Pixels of an image uint8 [C, H, W]: grey for one channel, colours for three, else the
    channels side by side."""
    if len(image) == 3:
        return image.transpose(1, 2, 0)
    return sheet(image[..., None].repeat(3, axis=3)) if len(image) > 1 else image[0]


def of_times(times: Array, t_max: int) -> Array:
    """Colours uint8 [..., 4] of spike times; silent is transparent."""
    stops = np.stack([rgb(colour) for colour in VIRIDIS])
    at = times.astype(np.float64) / max(t_max - 1, 1) * (len(stops) - 1)
    low = np.clip(np.floor(at).astype(int), 0, len(stops) - 2)
    share = np.clip(at - low, 0, 1)[..., None]
    colours = stops[low] * (1 - share) + stops[low + 1] * share
    opaque = np.where(times < t_max, 255.0, 0.0)[..., None]
    made: Array = np.rint(np.concatenate([colours, opaque], axis=-1)).astype(np.uint8)
    return made


def of_weights(weights: Array) -> Array:
    """Colours uint8 [..., 4] of weights; the further from zero the less transparent."""
    size = np.abs(weights) / max(float(np.abs(weights).max(initial=0)), 1e-12)
    colours = np.where(weights[..., None] > 0, rgb(POSITIVE), rgb(NEGATIVE))
    made: Array = np.rint(np.concatenate([colours, 255 * size[..., None]], axis=-1))
    return made.astype(np.uint8)


def sheet(tiles: Array, gap: int = 1) -> Array:
    """Tiles uint8 [N, H, W, K] in rows on one picture, about twice as wide as high."""
    count, height, width, depth = tiles.shape
    columns = min(count, max(1, math.ceil(math.sqrt(2 * count * height / width))))
    rows = -(-count // columns)
    made = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, depth), np.uint8)
    if depth == 4:
        made[:] = GRID
    for number, tile in enumerate(tiles):
        y, x = divmod(number, columns)
        made[y * (height + gap) :, x * (width + gap) :][:height, :width] = tile
    left = count - (rows - 1) * columns  # tiles of the last row
    made[(rows - 1) * (height + gap) :, left * (width + gap) :] = 0
    return made
