"""The output neurons' potentials over the steps of one image, and where the decision fell."""

from __future__ import annotations

import altair as alt
import numpy as np

from ...network.layers import Array
from ...network.network import Network
from .charts import BLUE, GREY, ORANGE, chart, colours, figure, left_axis, others, steps
from .parts import Figure

ANSWER, LABEL, OTHER = "the answer", "the right class", "other classes"


def output_potentials(network: Network, arriving: Array) -> Array:
    """Potentials int64 [..., t_max, classes] of the output layer at the end of every step.

    Parameters
    ----------
    arriving : uint8 array [..., inputs]
        Spike times of its inputs.
    """
    layer = network.layers[-1]
    weight = layer.weight.astype(np.float64).T  # type: ignore[attr-defined]  # dense, by the check
    sums = [(arriving <= step).astype(np.float64) @ weight for step in range(network.t_max)]
    made: Array = np.rint(np.stack(sums, axis=-2)).astype(np.int64)  # exact: far below 2**53
    return made


def potentials(network: Network, arriving: Array, answer: int, label: int, step: int) -> Figure:
    """Potential minus threshold of every output neuron.

    Parameters
    ----------
    arriving : uint8 array [inputs]
        Spike times of the output layer's inputs.
    answer, label : int
        Classes.
    step : int
        The decision's; t_max if silent.
    """
    theta = network.layers[-1].threshold.astype(np.int64)  # type: ignore[attr-defined]
    v = output_potentials(network, arriving)
    names = network.class_names

    def role(neuron: int) -> str:
        return ANSWER if neuron == answer else LABEL if neuron == label else OTHER

    rows = [
        {"step": t, "neuron": names[neuron], "margin": int(v[t, neuron] - theta[neuron]),
         "potential": int(v[t, neuron]), "threshold": int(theta[neuron]), "what": role(neuron)}
        for neuron in sorted(range(len(names)), key=lambda neuron: role(neuron) != OTHER)
        for t in range(network.t_max)
    ]  # fmt: skip
    kinds = [(ANSWER, BLUE), *([] if answer == label else [(LABEL, ORANGE)]), (OTHER, GREY)]
    base = chart().encode(
        x=steps(network.t_max),
        y=alt.Y("margin:Q", axis=left_axis("potential - threshold")),
        detail=alt.Detail("neuron:N"), color=colours(kinds),
        tooltip=[alt.Tooltip(f"{name}:{kind}") for name, kind in (
            ("neuron", "N"), ("step", "Q"), ("potential", "Q"), ("threshold", "Q"))],
    )  # fmt: skip
    lines = base.mark_line(interpolate="step-after", strokeWidth=1.6, opacity=0.85)
    points = base.mark_circle(size=26)
    ends = (
        base.transform_filter(f"datum.step == {network.t_max - 1} && datum.what != '{OTHER}'")
        .mark_text(align="left", dx=5, fontSize=12, fontWeight="bold")
        .encode(text=alt.Text("neuron:N"))
    )
    zero = others("zero").mark_rule(strokeDash=[2, 2], color=GREY).encode(y=alt.Y("margin:Q"))
    made = zero + lines + points + ends
    decided = step < network.t_max
    if decided:
        rule = others("decision").mark_rule(strokeDash=[4, 3], color=ORANGE, strokeWidth=1.5)
        made = made + rule.encode(x=alt.X("step:Q"))
    where = (
        f"Class {names[answer]} exceeds its threshold first, in step {step}."
        if decided
        else f"No output neuron fires; class {names[answer]} comes nearest to its threshold."
    )
    return figure(
        "Output potentials above their thresholds", made, rows, height=230,
        note=f"{where} A neuron fires where its line is above 0 at the end of a step.",
        zero=[{"margin": 0}], decision=[{"step": step}] if decided else [],
    )  # fmt: skip
