"""Training curves as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sstdp_hw.base.caches import provide_cache
from sstdp_hw.base.files import written_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Epoch = dict[str, Any]
_ROOM = 1.08  # above a curve that starts at 0: at the edge it would be cut in half


def draw(path: Path, history: list[Epoch], title: str) -> None:
    """Draw the `picture` into a file."""
    made = picture(history, title)
    with written_whole(path) as temporary:
        made.savefig(temporary, format="png", dpi=110, metadata={"Software": None})


def picture(history: list[Epoch], title: str) -> Figure:
    """Loss, accuracy, activity and decision step over the epochs, in one picture."""
    provide_cache("MPLCONFIGDIR")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(11, 7), layout="constrained")
    FigureCanvasAgg(figure)  # no window system, no global state
    figure.suptitle(title)
    loss, accuracy, activity, decision = figure.subplots(2, 2).flat
    epochs = [entry["epoch"] for entry in history]

    loss.plot(epochs, [entry["loss"] for entry in history], marker=".")
    loss.set(title="Training loss", ylabel="loss")
    accuracy.plot(
        epochs, _percent(history, "train_accuracy"), marker=".", label="training (distorted)"
    )
    if history and history[0]["validation_accuracy"] is not None:
        accuracy.plot(
            epochs, _percent(history, "validation_accuracy"), marker=".", label="validation"
        )
    accuracy.set(title="Accuracy (rule 6)", ylabel="% of images")
    accuracy.legend()
    for layer in range(len(history[0]["firing"]) if history else 0):
        activity.plot(
            epochs, [100 * entry["firing"][layer] for entry in history], marker=".",
            label=f"layer {layer + 1}",
        )  # fmt: skip
    activity.set(title="Neurons that fire in an image", ylabel="% of the layer")
    activity.legend()
    decision.plot(epochs, [entry["decision_time"] for entry in history], marker=".")
    decision.set(title="Decision time", ylabel="step")
    for axes in (activity, decision):
        values = [value for line in axes.lines for value in line.get_ydata()]
        axes.set_ylim(0, _ROOM * max(values, default=0) or 1)
    for axes in (loss, accuracy, activity, decision):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
    return figure


def _percent(history: list[Epoch], name: str) -> list[float]:
    return [100 * entry[name] for entry in history]
