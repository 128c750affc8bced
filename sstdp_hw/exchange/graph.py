"""The nodes of a NIR graph in the order in which spikes pass them, and what is found about each.

Only a chain can become a network of this project. Graphs inside the graph are laid open: their
nodes have names like ``outer.inner``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..base.errors import UserError
from ..network.chain import printable, shortened

GRAPH, INPUT, OUTPUT = "NIRGraph", "Input", "Output"
DEEPEST = 16


@dataclass
class Finding:
    """What a node becomes, or why it cannot.

    Parameters
    ----------
    node, kind : str
        Its name and kind in the graph.
    becomes : str
    refusals : list of str
        Reasons; a node without one is mapped.
    """

    node: str
    kind: str
    becomes: str = ""
    refusals: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Node:
    """A node of a graph: its fields are as the file has them, and nothing of them is trusted."""

    name: str
    kind: str
    fields: dict[str, Any]


@dataclass
class Chain:
    """The nodes of a graph.

    Parameters
    ----------
    nodes : list of Node
        From input to output if ``whole``; else as they stand in the file.
    findings : list of Finding, one a node
    whole : bool
        Whether the graph is a chain.
    """

    nodes: list[Node]
    findings: list[Finding]
    whole: bool


def chain_of(graph: dict[str, Any], source: str) -> Chain:
    """The chain that a graph is; where it is none, the nodes say why.

    Raises
    ------
    UserError
        If this is no graph: without nodes or edges, with edges to nowhere.
    """
    nodes: dict[str, Node] = {}
    edges: list[tuple[str, str]] = []
    _lay_open(graph, "", nodes, edges, source, 0)
    after: dict[str, list[str]] = {name: [] for name in nodes}
    before: dict[str, list[str]] = {name: [] for name in nodes}
    for start, end in edges:
        after[start].append(end)
        before[end].append(start)
    refusals = {name: _branches(name, nodes[name], before, after) for name in nodes}
    order = _walk([name for name in nodes if not before[name]], after)
    if not any(refusals.values()) and len(order) < len(nodes):
        for name in set(nodes) - set(order):
            refusals[name].append(
                "must be on the one way from input to output, and is apart from it or in a circle"
            )
    whole = not any(refusals.values())
    listed = [nodes[name] for name in (order if whole else nodes)]
    findings = [Finding(node.name, node.kind, refusals=refusals[node.name]) for node in listed]
    return Chain(listed, findings, whole)


def _lay_open(
    graph: dict[str, Any], prefix: str, nodes: dict[str, Node], edges: list[tuple[str, str]],
    source: str, depth: int,
) -> tuple[str, str]:  # fmt: skip
    """Add the nodes and edges of a graph, and of those in it; return its input and output."""
    if depth > DEEPEST:
        raise UserError(f"{source}: graphs must lie at most {DEEPEST} deep in each other")
    kind, inner = graph.get("type"), graph.get("nodes")
    if not isinstance(kind, str) or kind != GRAPH or not isinstance(inner, dict) or not inner:
        raise UserError(
            f"{source}: must be a graph with nodes and edges, and its type is "
            f"{shortened(repr(kind))}"
        )
    ends: dict[str, tuple[str, str]] = {}
    for key, content in inner.items():
        name = printable(f"{prefix}{key}")
        kind = content.get("type") if isinstance(content, dict) else None
        if not isinstance(kind, str):
            raise UserError(f"{source}: node {shortened(name)} must have a type, and has none")
        if kind == GRAPH:
            ends[str(key)] = _lay_open(content, f"{name}.", nodes, edges, source, depth + 1)
            continue
        if name in nodes:
            raise UserError(f"{source}: node names must differ, and {shortened(name)} does not")
        nodes[name] = Node(name, printable(kind), content)
        ends[str(key)] = (name, name)
    for start, end in _edges(graph, source):
        for name in (start, end):
            if name not in ends:
                shown = shortened(printable(name))
                raise UserError(f"{source}: edges must join nodes of the graph, not {shown}")
        edges.append((ends[start][1], ends[end][0]))
    if not depth:
        return "", ""
    found = [
        [ends[str(key)][0] for key, content in inner.items() if content.get("type") == kind]
        for kind in (INPUT, OUTPUT)
    ]
    if len(found[0]) != 1 or len(found[1]) != 1:
        raise UserError(
            f"{source}: graph {shortened(prefix[:-1])} in the graph must have one Input and one "
            f"Output, not {len(found[0])} and {len(found[1])}"
        )
    return found[0][0], found[1][0]


def _edges(graph: dict[str, Any], source: str) -> list[tuple[str, str]]:
    found = []
    try:
        for start, end in graph.get("edges", ()):
            if not isinstance(start, str) or not isinstance(end, str):
                raise TypeError
            found.append((start, end))
    except (TypeError, ValueError):
        raise UserError(f"{source}: edges must be pairs of names of nodes") from None
    return found


def _branches(
    name: str, node: Node, before: dict[str, list[str]], after: dict[str, list[str]]
) -> list[str]:
    """What keeps a node from standing in a chain."""
    found = []
    for what, there, end in (("input", before[name], INPUT), ("output", after[name], OUTPUT)):
        if len(there) > 1:
            names = ", ".join(there[:3]) + (", ..." if len(there) > 3 else "")
            found.append(
                f"must have one {what} in a chain, not {len(there)} ({names}): no recurrence, no "
                "branches"
            )
        elif not there and node.kind != end:
            found.append(f"must have an {what}; a graph begins with an Input, ends with an Output")
    return found


def _walk(starts: list[str], after: dict[str, list[str]]) -> list[str]:
    """Names from the one start along the edges."""
    order: dict[str, None] = {}
    name = starts[0] if starts else None
    while name is not None and name not in order:
        order[name] = None
        name = after[name][0] if after[name] else None
    return list(order)
