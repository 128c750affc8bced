"""Which images are right, when they are decided, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import altair as alt
import numpy as np

from ...base.tables import number, percent
from ...network.layers import Array
from ...network.network import Network
from ...reference.additions import additions
from ...reference.inference import Inference, sent_places
from .charts import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    chart,
    colours,
    figure,
    left_axis,
    others,
    rounded,
    steps,
    when,
)
from .evidence import Evidence
from .parts import Figure, PageSection, Part, Table
from .potentials import output_potentials

#: More classes than that have no numbers in the confusion matrix.
MOST_NUMBERS = 20
#: Light enough for dark figures on them.
ERRORS = alt.SchemeParams("oranges", extent=[0.1, 0.6])
#: Points closer than this share of the axis have one number.
APART = 0.025
RIGHT, WRONG = "right", "wrong"


def accuracy(evidence: Evidence) -> PageSection | None:
    """The section; None without test images."""
    network, samples, inference = evidence.network, evidence.samples, evidence.inference
    if not (network and samples and inference and len(samples)):
        return None
    if evidence.answers and evidence.labels is not None:
        classes, times = evidence.answers["predicted"], evidence.answers["decision_time"]
        labels, source = evidence.labels, "hardware, simulated"
    else:
        classes, times, labels = inference.classes, inference.decision_times, samples.labels
        source = "integer reference"
    answered = classes >= 0
    classes, times, labels = classes[answered], times[answered].astype(int), labels[answered]
    parts: list[Part] = [
        _confusion(network, classes, labels), _per_class(network, classes, labels),
        *_by_step(network, classes == labels, times),
        *_stopped(network, inference, samples.labels), _activity(network, inference),
    ]  # fmt: skip
    return PageSection(
        "accuracy", "Accuracy", parts,
        f"{percent(float(np.mean(classes == labels)))} of {number(len(classes))} test images "
        f"({source}), by rule 6: ties go by the larger margin, silent images count.",
    )  # fmt: skip


def _confusion(network: Network, classes: Array, labels: Array) -> Figure:
    count = len(network.class_names)
    matrix = np.zeros((count, count), np.int64)
    np.add.at(matrix, (labels, classes), 1)
    total = np.maximum(matrix.sum(axis=1), 1)
    rows = [
        {"label": network.class_names[i], "answer": network.class_names[j],
         "images": int(matrix[i, j]), "share": rounded(matrix[i, j] / total[i]),
         "error": 0 if i == j else int(matrix[i, j]), "diagonal": bool(i == j)}
        for i, j in zip(*np.nonzero(matrix), strict=True)
    ]  # fmt: skip
    names = list(network.class_names)
    base = chart().encode(
        x=alt.X("answer:N", sort=None, scale=alt.Scale(domain=names), axis=alt.Axis(labelAngle=0)),
        y=alt.Y("label:N", sort=None, scale=alt.Scale(domain=names), axis=left_axis("label")),
        tooltip=[alt.Tooltip("label:N"), alt.Tooltip("answer:N"), alt.Tooltip("images:Q"),
                 alt.Tooltip("share:Q", format=".2%")],
    )  # fmt: skip
    fill = base.mark_rect(stroke=None).encode(
        color=alt.condition(
            "datum.diagonal", alt.value(GREY),
            alt.Color("error:Q", scale=alt.Scale(scheme=ERRORS), legend=None),
        ),
        opacity=when(alt.OpacityValue, "datum.diagonal", 0.3, 1),
    )  # fmt: skip
    made: alt.Chart | alt.LayerChart = fill
    if count <= MOST_NUMBERS:
        text = base.mark_text(fontSize=11).encode(
            text=alt.Text("images:Q"),
            color=when(alt.ColorValue, "datum.diagonal", GREY, "#222"),
        )
        made = fill + text
    return figure(
        "Confusion matrix", made, rows, height=min(460, 60 + 24 * count), narrow=True,
        note="Images of each label (row) by answer (column); errors in colour.",
    )  # fmt: skip


def _per_class(network: Network, classes: Array, labels: Array) -> Figure:
    rows: list[dict[str, Any]] = []
    for number_, name in enumerate(network.class_names):
        own, given = labels == number_, classes == number_
        hits = int((own & given).sum())
        for what, total in (("recall", own.sum()), ("precision", given.sum())):
            if total:
                rows.append({"class": name, "what": what, "share": rounded(hits / int(total)),
                             "images": int(total)})  # fmt: skip
    low = min((row["share"] for row in rows), default=0)
    points = chart().mark_point(filled=True, size=70, opacity=0.9).encode(
        x=alt.X("share:Q", title=None, axis=alt.Axis(format=".0%"),
                scale=alt.Scale(domain=[max(0, low - 0.03), 1], nice=False)),
        y=alt.Y("class:N", sort=None, axis=left_axis("class")),
        color=colours([("recall", BLUE), ("precision", ORANGE)]),
        shape=alt.Shape("what:N", legend=None),
        tooltip=[alt.Tooltip("class:N"), alt.Tooltip("what:N"),
                 alt.Tooltip("share:Q", format=".2%"),
                 alt.Tooltip("images:Q")],
    )  # fmt: skip
    return figure(
        "Class by class", points, rows, height=min(460, 60 + 24 * len(network.class_names)),
        narrow=True, note="Recall: of the images of a class; precision: of the answers of a class.",
    )  # fmt: skip


def _by_step(network: Network, right: Array, times: Array) -> Iterator[Figure]:
    counts = [
        (step, int((right & (times == step)).sum()), int((~right & (times == step)).sum()))
        for step in range(network.t_max + 1)
    ]
    rows = [
        {"step": step, "what": what, "images": images}
        for step, hits, misses in counts for what, images in ((RIGHT, hits), (WRONG, misses))
        if images
    ]  # fmt: skip
    width = max(2, min(26, 360 // (network.t_max + 1)))
    bars = chart().mark_bar(size=width).encode(
        x=steps(network.t_max, title="decision step", beyond=True),
        y=alt.Y("images:Q", stack=True, axis=left_axis("images")),
        color=colours([(RIGHT, BLUE), (WRONG, ORANGE)]),
        tooltip=[alt.Tooltip("step:Q"), alt.Tooltip("what:N"), alt.Tooltip("images:Q")],
    )  # fmt: skip
    yield figure(
        "When images are decided", bars, rows, narrow=True,
        note=f"Step {network.t_max} stands for silent images: their answer is the nearest miss.",
    )  # fmt: skip
    shares = [
        {"step": step, "share": rounded(hits / (hits + misses)), "images": hits + misses}
        for step, hits, misses in counts if hits + misses
    ]  # fmt: skip
    dots = chart().mark_line(point={"size": 45, "filled": True}, color=BLUE).encode(
        x=steps(network.t_max, title="decision step", beyond=True),
        y=alt.Y("share:Q", scale=alt.Scale(zero=False), axis=left_axis("accuracy", format=".0%")),
        tooltip=[alt.Tooltip("step:Q"), alt.Tooltip("share:Q", format=".2%"),
                 alt.Tooltip("images:Q")],
    )  # fmt: skip
    yield figure(
        "Accuracy by decision step", dots, shares, narrow=True,
        note="Of the images decided in a step: an early answer is a sure one.",
    )  # fmt: skip


def stop_curve(network: Network, inference: Inference, labels: Array) -> list[dict[str, float]]:
    """Accuracy and additions per image if an answer had to be given after every step: the class
    of the decision where it has fallen, else that of the largest margin."""
    margins = output_potentials(network, inference.spike_times[-2].reshape(len(labels), -1))
    margins = margins - network.layers[-1].threshold.astype(np.int64)  # type: ignore[attr-defined]
    rows = []
    for step in range(network.t_max):
        decided = inference.decision_times <= step
        classes = np.where(decided, inference.classes, margins[:, step].argmax(axis=1))
        times = np.minimum(inference.decision_times, step).astype(np.uint8)
        cut = Inference(
            classes, times, np.zeros(len(labels), bool), inference.margins, inference.spike_times
        )
        rows.append({
            "step": step, "share": rounded(np.mean(classes == labels)),
            "additions": rounded(additions(network, cut).mean(), 1),
        })  # fmt: skip
    return rows


def _stopped(network: Network, inference: Inference, labels: Array) -> Iterator[Figure]:
    rows = stop_curve(network, inference, labels)
    named: list[dict[str, float]] = []
    apart = APART * (rows[-1]["additions"] - rows[0]["additions"])
    for row in rows:
        if not named or row["additions"] - named[-1]["additions"] >= apart:
            named.append(row)
    base = chart().encode(
        x=alt.X("additions:Q", title="additions per image, mean", scale=alt.Scale(zero=False)),
        y=alt.Y("share:Q", scale=alt.Scale(zero=False), axis=left_axis("accuracy", format=".0%")),
        order=alt.Order("step:Q"),
        tooltip=[alt.Tooltip("step:Q"), alt.Tooltip("share:Q", format=".2%"),
                 alt.Tooltip("additions:Q")],
    )  # fmt: skip
    made = base.mark_line(color=GREEN) + base.mark_circle(color=GREEN, size=60, opacity=1)
    text = others("named").mark_text(dy=-11, fontSize=11)
    text = text.encode(x=alt.X("additions:Q"), y=alt.Y("share:Q"), text=alt.Text("step:Q"))
    yield figure(
        "What accuracy costs", made + text, rows, height=240, named=named,
        note="If every image had to be answered after the step beside the point, at the latest.",
    )  # fmt: skip


def _activity(network: Network, inference: Inference) -> Table:
    last = inference.last_steps()[:, None]
    rows = []
    for name, place in sent_places(network).items():
        times = inference.spike_times[place].reshape(len(last), -1)
        fires = times < network.t_max
        rows.append((
            name, number(times.shape[1]), number(float((times <= last).sum(axis=1).mean()), 1),
            number(float(fires.sum(axis=1).mean()), 1), percent(float(1 - fires.mean())),
            number(int((~fires.any(axis=0)).sum())),
        ))  # fmt: skip
    return Table(
        "Spikes", ("layer", "neurons", "spikes, to the decision", "spikes, all", "silent share",
                   "never fire"), rows,
        f"Per image, mean of {number(len(last))}. Never fire: in none of these images.",
    )  # fmt: skip
