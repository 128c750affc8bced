"""Faults in the generated Verilog: each kind is found in the netlist, at work, and noticed."""

import dataclasses
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from support.networks import small_network

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.network.layers import Dense
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_rtl.generator.generate import generate
from sstdp_sim.comparison.mutation import Mutation, changed_network
from sstdp_sim.mutants import campaign, equivalence
from sstdp_sim.mutants.equivalence import LogicProof
from sstdp_sim.mutants.harmless import harmless
from sstdp_sim.mutants.logic import logic_faults
from sstdp_sim.mutants.model_check import holds
from sstdp_sim.mutants.netlist import read_design
from sstdp_sim.mutants.numbers import (
    _subset,
    _subset_sums,
    equivalent,
    made_witness,
    random_flips,
)
from sstdp_sim.mutants.surroundings import equal_to_takers, never_at_work
from sstdp_sim.mutants.witnesses import _taken_back
from sstdp_sim.simulation.packets import Traffic
from sstdp_sim.verbs import verify_mutants as verify_cli

KINDS = {"tie-break", "compare", "count", "clear", "reset", "event", "lane"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Several groups in both layers, so that every kind of fault matters."""
    folder = tmp_path_factory.mktemp("mutants") / "accelerator"
    generate(small_network(), Configuration((6, 3), 4, True), folder)
    return GeneratedDirectory.load(folder)


@pytest.fixture(scope="module")
def modules(directory, tmp_path_factory):
    return read_design(directory.verilog, tmp_path_factory.mktemp("netlist"))


def test_every_kind_has_places(directory, modules):
    faults = logic_faults(modules, directory)
    assert {fault.kind for fault in faults} == KINDS
    assert len(set(faults)) == len(faults)
    (tie,) = [fault for fault in faults if fault.kind == "tie-break"]
    assert tie.module == "accelerator.decision" and "> becomes >=" in str(tie)


@dataclasses.dataclass
class Failing:
    """A simulator that ends without an answer: at its mutant, or at so many of its calls."""

    mutant: int = -1
    calls: set[int] = dataclasses.field(default_factory=set)
    called: int = 0

    def play(self, _packets, *, mutants, **_options):
        self.called += 1
        if self.mutant in mutants or self.called in self.calls:
            raise UserError("the run failed: killed")
        return [None] * len(mutants)


def test_a_simulator_that_is_ended_says_nothing_of_a_mutant(monkeypatch):
    """Only if it ends so with this one alone, again, and not without it."""
    monkeypatch.setattr(campaign.Scenario, "noticed", lambda *_: None)
    stream = SimpleNamespace(packets=None, answers=None, loads=None)
    scenario = campaign.Scenario("few", stream, Traffic())

    def noticed(simulator, batch):
        return campaign._play(simulator, scenario, batch, {}, 1)

    assert noticed(Failing(mutant=2), [1, 2, 3]) == {2: "few: the run failed: killed"}
    assert noticed(Failing(mutant=2), [2]) == {2: "few: the run failed: killed"}
    assert noticed(Failing(calls={1}), [2]) == {}, "once"
    assert noticed(Failing(calls={1, 2}), [1, 2, 3]) == {}
    with pytest.raises(UserError, match=r"^the run failed: killed"):  # no room on the disk
        noticed(Failing(calls={*range(100)}), [1, 2, 3])


def test_mutants_are_noticed(directory, monkeypatch, tmp_path):
    """One of each kind at least, in one program; the design without one is the reference's. What is
    finished is kept: a second run plays and proves nothing, and a third what was damaged."""
    monkeypatch.setattr("sstdp_hw.engine.kept.cache_folder", lambda: tmp_path)
    monkeypatch.setattr(campaign, "_RESET_PACKETS", 200)
    monkeypatch.setattr(campaign, "_HOSTILE_PACKETS", 100)
    monkeypatch.setattr(campaign, "_TURNS", 2)
    monkeypatch.setattr(equivalence, "_SECONDS", 2)
    images = np.random.default_rng(1).integers(0, 256, (24, 1, 8, 8), dtype=np.uint8)
    kept = campaign.kept_of(directory, images, count=20, seed=3)

    def run():
        return campaign.run(directory, images, count=20, seed=3, jobs=2, kept=kept)

    verdicts = run()
    assert {verdict.mutant.kind for verdict in verdicts} >= KINDS | {"weight", "threshold"}
    told = campaign.summary(verdicts)
    assert told["mutants"] == 20
    assert told["killed"] + told["equivalent"] + told["survived"] == 20
    # Few images and few mutants: the command asks for 99 %.
    assert told["kill_rate"] >= 0.8, told["survivors"]

    done = []

    def counted(name, real):
        return lambda *arguments: done.append(name) or real(*arguments)

    for name in ("_played", "equivalent", "harmless"):
        monkeypatch.setattr(campaign, name, counted(name, getattr(campaign, name)))
    assert run() == verdicts and done == []
    damaged = min(kept.folder.glob("play-0-*-*-*"))  # a batch; the control is another file
    damaged.write_bytes(damaged.read_bytes()[:-3] + b"9}}")
    assert run() == verdicts and done == ["_played"]
    kept.discard()
    assert not kept.folder.exists()


def test_what_is_kept_is_of_the_same_campaign(directory, monkeypatch, tmp_path):
    """Whatever decides a verdict decides where it is looked for."""
    generate(small_network(seed=6), Configuration((6, 3), 4, True), tmp_path / "other")
    images = np.zeros((2, 1, 8, 8), np.uint8)

    def key(directory=directory, images=images, count=20, seed=3):
        return campaign.kept_of(directory, images, count=count, seed=seed).key

    keys = [
        key(), key(images=images + 1), key(images=images[:1]), key(count=21), key(seed=4),
        key(dataclasses.replace(directory, verilog=directory.verilog + "\n")),
        key(GeneratedDirectory.load(tmp_path / "other")),
    ]  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr("sstdp_hw.engine.identity._sources", lambda: "others")
        keys.append(key())
    with monkeypatch.context() as patch:
        patch.setattr("sstdp_hw.engine.identity.version", lambda _: "0")
        keys.append(key())
    monkeypatch.setenv("YOSYS", "echo")
    keys.append(key())
    assert len(set(keys)) == len(keys)
    monkeypatch.delenv("YOSYS")
    assert key() == keys[0]


def test_equivalents_are_no_survivors(capsys):
    """A mutant is told under what it counts as."""
    flip = Mutation("weight", "layers.1", 2, 3, "m", 4, 5)
    verdicts = [
        campaign.Verdict(flip, "image 1 differs"),
        campaign.Verdict(dataclasses.replace(flip, row=7), None, "nothing can show it"),
        campaign.Verdict(dataclasses.replace(flip, row=8), None),
    ]
    for count, names in ((2, []), (3, ["row 8"])):
        told = campaign.summary(verdicts[:count])
        assert told["survived"] == len(told["survivors"]) == len(names)
        assert [found["equivalent"] for found in told["equivalents"]] == ["nothing can show it"]
        verify_cli._show(told)
        lines = capsys.readouterr().out.splitlines()
        survived = [line for line in lines if line.startswith("survived:")]
        assert [line.partition("of ")[2] for line in survived] == [
            f"layers.1, neuron 2, input 3: bit 5 of {name} in m" for name in names
        ]
        assert sum(line.startswith("equivalent: ") for line in lines) == 1


def test_a_design_that_is_wrong_without_a_mutant_is_refused(directory, monkeypatch):
    """The campaign would take every mutant of it for noticed."""
    monkeypatch.setattr(campaign, "_play", lambda *_: {0: "image 3: expected class 1, got class 2"})
    images = np.zeros((2, 1, 8, 8), np.uint8)
    monkeypatch.setattr(campaign, "Simulation", _NoSimulation)
    with pytest.raises(UserError, match="Without a mutant nothing may be noticed; image 3"):
        campaign.run(directory, images, count=3)


class _NoSimulation:
    def __init__(self, *_arguments, **_options):
        pass

    @classmethod
    def of(cls, *_arguments, **_options):
        return cls()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        pass


def test_a_fault_that_changes_nothing_is_proven_and_another_is_not(
    directory, modules, tmp_path, monkeypatch
):
    """One more bit of a comparison whose upper part is zero anyway: an equivalent by hand."""
    monkeypatch.setattr(equivalence, "_SECONDS", 2)
    proof = LogicProof(modules, tmp_path)
    faults = logic_faults(modules, directory)
    tie = next(fault for fault in faults if fault.kind == "tie-break")
    assert proof.equivalent(tie) is None
    # Stuck at what it is: the select of a multiplexer with equal branches.
    module = modules[tie.module]
    name, cell = next(
        (name, cell) for name, cell in module["cells"].items() if cell["type"] == "$mux"
    )
    wires = cell["connections"]
    before = wires["A"]
    wires["A"] = wires["B"]
    same = dataclasses.replace(tie, cell=name, change="stuck 1")
    assert "equal outputs" in proof.equivalent(same)
    wires["A"] = before


def test_a_bit_that_nothing_looks_at_may_differ(tmp_path):
    """With 8 steps the carry behind the last one falls off whether or not the step is cleared."""
    generate(small_network(t_max=8), Configuration((6, 3), 4, True), tmp_path / "out")
    directory = GeneratedDirectory.load(tmp_path / "out")
    modules = read_design(directory.verilog, tmp_path)
    (wraps, *_) = (
        fault for fault in logic_faults(modules, directory)
        if fault.module.endswith("sorter_0") and "step is never set to 0" in str(fault)
    )  # fmt: skip
    assert "equal outputs" in LogicProof(modules, tmp_path).equivalent(wraps)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """The netlist of a sequential accelerator, with its faults by their text."""
    folder = tmp_path_factory.mktemp("sequential")
    generate(
        small_network(t_max=2), Configuration((4,), 4, True, architecture="sequential"),
        folder / "out",
    )  # fmt: skip
    directory = GeneratedDirectory.load(folder / "out")
    modules = read_design(directory.verilog, folder)
    return modules, logic_faults(modules, directory)


@pytest.mark.parametrize(
    "problem, module, text, proven",
    [
        # A layer ends without candidates; the list of the steps has its own beginning.
        ("never", "walk", "write__addr is never set to 0", True),
        ("never", "walk", "next_one is never set to 0", False),
        # The second of two layers has no list to write, so that the next one begins at 0 anyway.
        ("takers", "lists", "written is never set to 0", True),
        ("takers", "lists", "written is never set to 12", False),
    ],
)
def test_what_only_the_modules_around_make_harmless_is_proven(
    engine, problem, module, text, proven, tmp_path
):
    modules, faults = engine
    fault = next(
        fault for fault in faults
        if fault.module == f"accelerator.engine.{module}" and text in str(fault)
    )  # fmt: skip
    question = (
        never_at_work(modules, fault, "accelerator.engine")
        if problem == "never"
        else equal_to_takers(modules, fault)
    )
    assert holds(tmp_path / "proof", question, "top", 20 if proven else 3) == proven


def test_the_next_constant_has_room_for_itself(directory, modules):
    """Behind the largest one comes 0, and the text of a fault says so."""
    texts = {str(fault).rpartition(": ")[2] for fault in logic_faults(modules, directory)}
    assert "+ 1 becomes + 0" in texts and "+ 1 becomes + 2" not in texts


def test_lanes_without_a_neuron_never_fire(directory, modules):
    """20 neurons on 6 lanes leave 4 of the last group idle, 7 on 3 leave 2."""
    found = [
        fault.module for fault in logic_faults(modules, directory)
        if harmless(directory, modules, fault)
    ]  # fmt: skip
    assert Counter(found) == {"accelerator.layer_0.slice_0": 4, "accelerator.layer_1.slice_0": 2}


def test_idle_lanes_that_may_fire_are_not_called_harmless(tmp_path):
    """With negative thresholds a lane without a neuron starts above threshold too."""
    network = small_network()
    network.layers[2].threshold[:] = -1
    generate(network, Configuration((20, 3), 4, True), tmp_path / "out")
    directory = GeneratedDirectory.load(tmp_path / "out")
    modules = read_design(directory.verilog, tmp_path)
    assert not any(
        harmless(directory, modules, fault) for fault in logic_faults(modules, directory)
    )


def test_flips_change_the_number_that_they_name(directory):
    network, layers = directory.network, directory.parameters.layers
    for flip in random_flips(directory, np.random.default_rng(2), 40):
        p = next(layer for layer in layers if layer.name == flip.layer)
        changed = next(
            layer for index, layer in changed_network(directory, flip).weighted
            if f"layers.{index}" == flip.layer
        )  # fmt: skip
        if flip.kind == "weight":
            delta = changed.weight.astype(int) - p.layer.weight
            assert np.flatnonzero(delta.sum(axis=1)).tolist() == [flip.neuron]
            bit = flip.bit % p.weight_width
            assert abs(delta[flip.neuron, flip.input]) == 1 << bit
        else:
            assert changed.threshold[flip.neuron] != p.layer.threshold[flip.neuron]
    assert network.layers[1] is directory.network.layers[1]


def test_made_images_show_a_flip(directory):
    network, made = directory.network, 0
    for flip in random_flips(directory, np.random.default_rng(5), 40):
        image = made_witness(directory, flip)
        if image is None:
            continue
        made += 1
        ours, theirs = (
            reference.run(each, image[None]).spike_times[2][0, flip.neuron]
            for each in (network, changed_network(directory, flip))
        )
        assert ours != theirs, str(flip)
    assert made > 10


@pytest.mark.parametrize("weights, found", [([5, -5], [3]), ([-5, 5], []), ([5, -1], [])])
def test_crossings_that_are_taken_back_are_found(weights, found):
    """By the second spike of the same step."""
    encoder = np.repeat([2, 0], [128, 128]).astype(np.uint8)
    layer = Dense(np.array([weights], np.int8), np.array([3], np.int32), 4)
    network = Network("crossing", 2, (1, 1, 2), ("a",), encoder, (layer,))
    images = np.array([[0, 0], [255, 0], [0, 255], [255, 255]], np.uint8).reshape(4, 1, 1, 2)
    assert _taken_back(network, reference.run(network, images)).tolist() == found


def test_subsets():
    random = np.random.default_rng(0)
    for _ in range(20):
        weights = random.integers(-5, 6, 7)
        masks = (np.arange(128)[:, None] >> np.arange(7)) & 1
        assert set(_subset_sums(weights).tolist()) == set((masks @ weights).tolist())
        total = int(masks[random.integers(128)] @ weights)
        assert weights[_subset(weights, total)].sum() == total


def test_equivalent_flips_are_argued(tmp_path):
    """A neuron that can never fire, whatever its smallest weight is, and one that always can."""
    network = small_network()
    hidden = network.layers[1]
    hidden.threshold[0] = 10_000  # beyond the reach of the potential
    generate(network, Configuration((6, 3), 4, True), tmp_path / "out")
    directory = GeneratedDirectory.load(tmp_path / "out")
    module = "layer_0_weights"
    heavy = int(np.argmin(hidden.weight[0]))  # one that does not add to the highest sum

    def flip(neuron, source, bit):
        return Mutation("weight", "layers.1", neuron, source, module, source, bit)

    assert hidden.weight[0, heavy] < -1
    assert "no subset" in equivalent(directory, flip(0, heavy, 0))
    assert equivalent(directory, flip(1, 3, 2)) is None
    output = Mutation("weight", "layers.2", 2, 0, "layer_1_weights", 0, 0)
    assert "can never fire" in equivalent(directory, output)
