"""Choice by goal and the Pareto front."""

import json
import os
import re
import signal
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
from support.networks import random_case, small_network
from support.processes import Watched, started, waiting_tool

from sstdp_hw import ready
from sstdp_hw.base import locks
from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.command.next_step import AFTER
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.engine.local import Local
from sstdp_hw.models import exploration
from sstdp_hw.models.area import Area
from sstdp_hw.models.cost import cycle_bound
from sstdp_hw.models.cycles import cycles_per_image
from sstdp_hw.models.exploration import (
    EstimatedPoint,
    Goal,
    MemorySpeed,
    balanced_configurations,
    choose,
    engine_configurations,
    estimate,
    find_workload,
    pareto_front,
)
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_rtl.exploration.counting import count_all
from sstdp_rtl.exploration.fitting import smallest
from sstdp_rtl.exploration.plot import Front, picture
from sstdp_rtl.exploration.synthesis import Built, build_points, folder_name

NETWORK = "digits-64-64-10-4bit"


@pytest.fixture(scope="module")
def explored():
    network = ready.load(NETWORK)
    workload = find_workload(network, None, 20)
    candidates = balanced_configurations(network, workload.inference)
    return network, workload, candidates, estimate(network, workload, candidates)


def test_front_has_exactly_the_points_that_none_beats(explored):
    points = explored[3]
    costs = np.array([point.costs for point in points])
    beaten = [bool(((costs <= row).all(1) & (costs < row).any(1)).any()) for row in costs]
    wanted = {p.costs for p, lost in zip(points, beaten, strict=True) if not lost}
    assert {point.costs for point in pareto_front(points)} == wanted


def test_goals_agree_with_a_look_at_every_point(explored):
    network, workload, candidates, points = explored
    fps, luts = 500_000, 2000
    fast = [p for p in points if p.cycles <= 100e6 / fps]
    point, reached = choose(Goal(fps=fps), network, workload, candidates)
    assert reached and point.area.lut == min(p.area.lut for p in fast)
    point, reached = choose(Goal(max_luts=luts), network, workload, candidates)
    small = [p for p in points if p.area.lut <= luts]
    assert reached and point.cycles == min(p.cycles for p in small)
    point, reached = choose(Goal(fps=1e9), network, workload, candidates)
    assert not reached and point.cycles == min(p.cycles for p in points)


def test_generate_by_goal_and_a_goal_out_of_reach(tmp_path, capsys):
    out = tmp_path / "made"
    arguments = ["generate", f"ready:{NETWORK}", "--out", str(out), "--target-fps"]
    assert main([*arguments, "1e9"]) == 1
    assert "cannot be reached; the closest is lanes" in capsys.readouterr().err
    assert not out.exists()
    assert main([*arguments, "300000"]) == 0
    assert capsys.readouterr().out.startswith("Chosen for 300,000 images/s at 100 MHz: lanes ")
    assert main([*arguments, "300000", "--lanes", "1,1"]) == 2


@pytest.mark.parametrize(
    "images, chosen",
    [
        (5, {"weights": "rom"}),
        (5, {"weights": "external"}),
        (20, {"weights": "external", "memory_widths": (16,), "batches": (8,)}),
    ],
)
def test_goals_of_one_engine_agree_with_a_look_at_every_point(images, chosen):
    network = ready.load(NETWORK)
    workload = find_workload(network, None, images)
    candidates = engine_configurations(network, workload.inference, **chosen)
    points = estimate(network, workload, candidates)
    cycles = sorted(point.cycles for point in points)
    fps = 100e6 / cycles[len(cycles) // 2]
    fast = [p for p in points if p.cycles <= 100e6 / fps]
    point, reached = choose(Goal(fps=fps), network, workload, candidates)
    assert reached and point.area.lut == min(p.area.lut for p in fast)
    point, reached = choose(Goal(fps=1e9), network, workload, candidates)
    assert not reached and point.cycles == cycles[0]
    luts = sorted(point.area.lut for point in points)[1]
    point, reached = choose(Goal(max_luts=luts), network, workload, candidates)
    assert reached
    assert point.cycles == min(p.cycles for p in points if p.area.lut <= luts)


def test_generate_one_engine_by_goal(tmp_path, capsys):
    """With the width of the memory that was told, and a buffer that was."""
    out, told = tmp_path / "made", tmp_path / "told.json"
    arguments = [
        "generate", f"ready:{NETWORK}", "--architecture", "sequential", "--weights", "external",
        "--memory-width", "64", "--weight-buffer", "65536", "--out", str(out), "--json", str(told),
        "--target-fps",
    ]  # fmt: skip
    assert main([*arguments, "30000"]) == 0
    assert "a memory that gives a beat in every cycle)" in capsys.readouterr().out
    result = json.loads(told.read_text())
    chosen = result["manifest"]["configuration"]
    assert (chosen["memory_width"], chosen["weight_buffer"]) == (64, 65536)
    assert len(chosen["lanes"]) == 1
    assert result["predicted"]["cycles_per_image"] <= 100e6 / 30_000
    assert main([*arguments, "1e7"]) == 1
    assert "cannot be reached; the closest is lanes" in capsys.readouterr().err
    # A buffer that few lanes can do with, and one that none can.
    assert main([*arguments, "9000", "--weight-buffer", "5120"]) == 0
    chosen = Configuration(
        tuple(json.loads(told.read_text())["predicted"]["lanes"]),
        architecture="sequential", weights="external",
    )  # fmt: skip
    assert AcceleratorParameters(ready.load(NETWORK), chosen).tiled.plan.least_bits <= 5120
    assert main([*arguments, "9000", "--weight-buffer", "99"]) == 2
    assert "Weight buffer must be at least" in capsys.readouterr().err
    assert main([*arguments, "30000", "--architecture", "streaming"]) == 2
    assert "Architecture must be sequential with weights in ext" in capsys.readouterr().err


def test_generate_one_engine_that_is_loaded_by_goal(tmp_path, capsys):
    """The fewest LUTs for a rate; below these it is slower; less than one lane takes is refused."""
    told = tmp_path / "told.json"
    arguments = [
        "generate", f"ready:{NETWORK}", "--architecture", "sequential", "--weights", "loadable",
        "--out", str(tmp_path / "made"), "--json", str(told),
    ]  # fmt: skip
    assert main([*arguments, "--target-fps", "100000"]) == 0
    found = json.loads(told.read_text())
    chosen, few = found["manifest"]["configuration"], found["predicted"]
    assert (chosen["architecture"], chosen["weights"]) == ("sequential", "loadable")
    assert few["cycles_per_image"] <= 100e6 / 100_000
    assert main([*arguments, "--max-luts", str(few["lut"] - 1)]) == 0
    slower = json.loads(told.read_text())["predicted"]
    assert slower["lut"] < few["lut"] and slower["cycles_per_image"] > 100e6 / 100_000
    capsys.readouterr()
    assert main([*arguments, "--max-luts", "900"]) == 1
    assert "cannot be reached; the closest is lanes 1" in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(12))
def test_no_image_gives_the_layers_more_work_than_the_worst_case(seed):
    """What a network that names no data set is taken at."""
    case = random_case(seed, early_exit=False, images=12)
    parameters = AcceleratorParameters(case.network, case.configuration)
    workload = find_workload(case.network, None, 5)
    assert "worst case" in workload.source
    most = cycle_bound(parameters, workload.inference)
    assert len(set(most.tolist())) == 1
    assert cycle_bound(parameters, reference.run(case.network, case.images)).max() <= most[0]


def test_loadable_weights_are_explored_as_they_are_generated(explored):
    """Every input is live, a loader is there: more work and area than constants, point by point."""
    network, workload, _, _ = explored
    candidates = balanced_configurations(network, workload.inference, weights="loadable")[:4]
    assert {candidate.weights for candidate in candidates} == {"loadable"}
    points = estimate(network, workload, candidates)
    assert all(point.to_json()["weights"] == "loadable" for point in points)
    constants = [replace(candidate, weights="rom") for candidate in candidates]
    for loaded, rom in zip(points, estimate(network, workload, constants), strict=True):
        assert loaded.area.lut > rom.area.lut + 500 and loaded.cycles >= rom.cycles
    assert folder_name(candidates[0]).endswith("-loadable")
    assert not folder_name(constants[0]).endswith("-loadable")


def test_explore_writes_json_and_a_picture(tmp_path):
    data, picture = tmp_path / "front.json", tmp_path / "front.png"
    arguments = ["explore", f"ready:{NETWORK}", "--samples", "5", "--json", str(data)]
    assert main([*arguments, "--plot", str(picture)]) == 0
    result = json.loads(data.read_text())
    assert len(result["front"]) > 5
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_points_are_of_the_network_that_was_explored(tmp_path, explored):
    """Its file may be another one by the time that a point is built."""
    network, _, _, points = explored
    point = pareto_front(points)[0]
    out = tmp_path / "points"
    (built,) = build_points(network, [point], out, device="none", jobs=1)
    assert "none" in built.error  # the device is looked at behind the generator
    (folder,) = out.iterdir()
    assert Network.load(folder / "network.safetensors").digest == network.digest
    with locks.writing(out), pytest.raises(UserError, match="another sstdp-hw works with it"):
        build_points(network, [point], out, device="none", jobs=1)


def test_a_picture_of_an_unknown_format_is_refused_before_the_work(monkeypatch, capsys):
    monkeypatch.setattr("sstdp_rtl.verbs.explore.find_workload", None)
    assert main(["explore", f"ready:{NETWORK}", "--plot", "front.doc"]) == 2
    assert "--plot: front.doc: must end in .png, .svg, .pdf " in capsys.readouterr().err


def test_processes_estimate_the_same(explored, monkeypatch):
    network, workload, candidates, points = explored
    monkeypatch.setattr(exploration.points, "SPIKES_WORTH_PROCESSES", 1)
    done = []
    again = estimate(network, workload, candidates[:6], jobs=2, progress=done.append)
    assert [point.to_json() for point in again] == [point.to_json() for point in points[:6]]
    assert len(done) == 6


def spread(cycles, luts, brams):
    """Points from the fastest and largest to the slowest and smallest."""
    configuration = Configuration((1, 1), 1, True)
    return [
        EstimatedPoint(configuration, count, Area(lut, lut, bram))
        for count, lut, bram in zip(cycles, luts, brams, strict=True)
    ]


@pytest.mark.parametrize(
    "cycles, luts, brams",
    [
        ((70.0, 400.0, 1300.0), (3500, 1300, 1065), (60, 4, 3)),
        ((104.0, 17_000.0), (14_000, 950), (105, 33)),
    ],
)
def test_ticks_are_few_round_numbers(cycles, luts, brams):
    """They were 2x10^3 and 2.25x10^3, one over the other."""
    points = spread(cycles, luts, brams)
    front = Front("T", points, points, [], "ecp5-25k", 100.0)
    figure = picture(front)
    figure.draw_without_rendering()
    left, right = figure.axes
    (rates,) = right.child_axes
    for axis in (left.xaxis, left.yaxis, right.xaxis, rates.yaxis):
        low, high = sorted(axis.get_view_interval())
        labels = [
            tick.label1.get_text() or tick.label2.get_text()
            for tick in axis.get_major_ticks()
            if low <= tick.get_loc() <= high
        ]
        assert 2 <= len(labels) <= 9 and len(set(labels)) == len(labels)
        assert all(re.fullmatch(r"[\d,]+", label) for label in labels)
    assert rates.get_ylabel() == "images/s at 100 MHz"
    ends = front.swapped(left.get_ylim()).tolist()
    assert sorted(rates.get_ylim()) == pytest.approx(sorted(ends))


def test_what_does_not_fit_the_device_is_marked():
    """By block RAMs alone, here; a device of a family without a model marks nothing."""
    points = spread((70.0, 400.0), (3500, 1300), (60, 4))

    def labels(device):
        figure = picture(Front("T", points, points, [], device, 100.0))
        marks = [text.get_text() for axes in figure.axes for text in axes.texts]
        return [text.get_text() for text in figure.axes[0].get_legend().get_texts()], marks

    told, marks = labels("ecp5-25k")
    assert told[1:] == [
        "front, estimated, fits ecp5-25k", "front, estimated, does not fit ecp5-25k"
    ]  # fmt: skip
    assert marks == ["ecp5-25k ends"], "among the block RAMs"
    assert labels("ecp5-45k")[0][1:] == ["front, estimated, fits ecp5-45k"]
    assert labels("ice40-hx8k")[0][1:] == ["front, estimated"]
    assert [smallest(point.area) for point in points] == ["ecp5-45k", "ecp5-25k"]
    assert smallest(Area(83_641, 1, 1)) is None


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_stopped_exploration_leaves_no_worker_behind(whole_group, tmp_path):
    """SIGTERM to the command alone, Ctrl-C to all that it started."""
    small_network().save(tmp_path / "network.safetensors")
    yosys = waiting_tool(tmp_path / "yosys", tmp_path / "fifo")
    (tmp_path / "tmp").mkdir()
    arguments = ["explore", "network.safetensors", "--samples", "2", "--synthesize", "--jobs", "2"]
    with subprocess.Popen(
        [sys.executable, "-c", "from sstdp_hw.command.start import main; raise SystemExit(main())",
         *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "YOSYS": yosys, "TMPDIR": str(tmp_path / "tmp")},
    ) as process:  # fmt: skip
        tool = Watched(int(started(process, tmp_path / "fifo")))
        if whole_group:
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.terminate()
        _, error = process.communicate()  # until the last worker has closed it
    assert process.returncode == (130 if whole_group else 143)
    assert error.endswith(f"sstdp-hw explore: {'interrupted' if whole_group else 'terminated'}\n")
    assert "Traceback" not in error
    assert tool.ended()
    assert not any((tmp_path / "tmp").iterdir())


def test_areas_of_many_come_in_their_order(monkeypatch):
    """Of the accelerators that were asked for, whoever counts."""

    def count(folder):
        lanes = GeneratedDirectory.load(folder).parameters.configuration.lanes
        return {"lut": lanes[0]}

    monkeypatch.setattr("sstdp_rtl.exploration.counting.count", count)
    network, done = small_network(), []
    designs = [(network, Configuration((lanes, 2))) for lanes in (5, 1, 3)]
    found = count_all(designs, Local(2), done.append)
    assert found == [{"lut": 5}, {"lut": 1}, {"lut": 3}] and done == [1, 1, 1]


def test_no_more_lanes_than_a_word_holds(monkeypatch):
    """A layer may have more neurons than lanes can be made for."""
    network = ready.load(NETWORK)
    workload = find_workload(network, None, 20)
    monkeypatch.setattr("sstdp_hw.blocks.lane_parameters.LARGEST_WORD", 200)
    found = balanced_configurations(network, workload.inference, early_exit=True)
    for configuration in found:
        AcceleratorParameters(network, configuration)  # refuses words that are too wide
    assert max(configuration.lanes[0] for configuration in found) == 200 // 8


def builder(network, points, *_, **__):
    """Builds all but the last."""
    return [*(Built(n, n, n, 80.0) for n in range(1001, 1000 + len(points))), Built(error="full")]


def told_of_what_was_built(text, front):
    """Checks the cells in front of the areas of `builder`, and the line of what it did not build;
    whether there are points of several kinds."""
    built = text.split("Built for ecp5-85k")[1]
    kinds = [f"{row.get('architecture', 'streaming')}, {row['weights']}" for row in front]
    several = len(set(kinds)) > 1
    for number, (kind, row) in enumerate(zip(kinds[:-1], front[:-1], strict=True), 1001):
        (line,) = [line for line in built.splitlines() if f" {number:,} " in line]
        cells = [",".join(map(str, row["lanes"])), str(row["pixels_per_beat"])]
        if row["weights"] == "external":
            tiling = (row["weight_buffer"], row["potential_memory"])
            cells += [f"{bits:,}" if bits else "-" for bits in tiling]
        wanted = [*(kind.split() if several else []), *cells]
        assert line.split(f" {number:,} ")[0].replace("│", "").split() == wanted
    last = f"{kinds[-1]}, " if several else ""
    assert f"\nnot built: {last}lanes " in built
    return several


ENGINE = ("--architecture", "sequential", "--weights", "external", "--samples", "4", "--jobs", "1")


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """The command's points with weights in a memory of two cycles a beat, and what it said."""
    file = tmp_path_factory.mktemp("outside") / "explore.json"
    memory = ("--memory-latency", "20", "--memory-interval", "2", "--memory-width", "16")
    assert main(["explore", f"ready:{NETWORK}", *ENGINE, *memory, "--json", str(file)]) == 0
    return json.loads(file.read_text())


def of_row(row):
    """The accelerator of a point in JSON."""
    names = ("pixels_per_beat", "architecture", "weights", "memory_width", "weight_buffer",
             "potential_memory")  # fmt: skip
    configuration = Configuration(tuple(row["lanes"]), **{name: row[name] for name in names})
    return AcceleratorParameters(ready.load(NETWORK), configuration)


def test_points_with_weights_outside_are_exact(outside):
    """Cycles and bytes are those of the models and of the tiles, whatever memory."""
    workload = find_workload(ready.load(NETWORK), None, 4)
    assert outside["memory"] == {"latency": 20, "interval": 2}
    assert len({row["memory_width"] for row in outside["points"]}) == 1
    assert len({tuple(row["lanes"]) for row in outside["points"]}) > 5
    seen = set()
    for row in outside["points"]:
        parameters = of_row(row)
        plan = parameters.tiled.plan
        assert row["bytes_per_image"] == plan.fetched_bytes
        seen.add((tuple(row["lanes"]), plan.tiles))
        if row["lanes"] in ([4], [16]):
            cycles = cycles_per_image(
                parameters, workload.inference, memory_latency=20, memory_interval=2
            )[1:].mean()
            assert row["cycles_per_image"] == pytest.approx(cycles, abs=0.005)
            fast = cycles_per_image(parameters, workload.inference)[1:].mean()
            assert fast < cycles, "the memory is not waited for"
        per_second = 100e6 / row["cycles_per_image"]
        wanted = row["bytes_per_image"] * per_second / 1e6
        assert row["megabytes_per_second"] == pytest.approx(wanted, rel=1e-4)
    assert len(seen) == len(outside["points"]), "two points with the same tiles"


def test_limits_hold_for_every_point_of_the_front(outside, tmp_path, monkeypatch, capsys):
    """What was built of it is told apart by its tiles."""
    monkeypatch.setattr("sstdp_rtl.exploration.synthesis.build_points", builder)
    rows = outside["points"]
    rates = sorted(row["megabytes_per_second"] for row in rows)
    middle, brams = rates[len(rates) // 2], sorted(row["bram"] for row in rows)[len(rows) // 2]
    file = tmp_path / "explore.json"
    memory = ["--memory-width", "16", "--memory-latency", "20", "--memory-interval", "2"]
    arguments = ["explore", f"ready:{NETWORK}", *ENGINE, *memory, "--json", str(file)]
    limits = ["--max-bandwidth", str(middle), "--max-brams", str(brams), "--target-fps", "5000"]
    built = ["--synthesize", "--out", str(tmp_path / "points")]
    assert main([*arguments, *limits, *built]) == 0
    front = json.loads(file.read_text())["front"]
    names = ("lanes", "memory_width", "weight_buffer", "potential_memory")

    def key(row):
        return json.dumps([row[name] for name in names])

    allowed = {
        key(row) for row in rows
        if row["megabytes_per_second"] <= middle and row["bram"] <= brams
        and 100e6 / row["cycles_per_image"] >= 5000
    }  # fmt: skip
    assert front and {key(row) for row in front} <= allowed < {key(row) for row in rows}
    assert not told_of_what_was_built(capsys.readouterr().out, front)


def test_batches_are_explored_beside_each_other(explored):
    """Fewer bytes an image and fewer cycles with a slow memory, for more memory on the chip."""
    network = explored[0]
    workload = find_workload(network, None, 12)
    found = engine_configurations(
        network, workload.inference, weights="external", memory_widths=(16,), batches=(1, 4)
    )
    assert sum(each.batch == 4 for each in found) == len(found) / 2
    chosen = [each for each in found if each.lanes == (16,)][::3]
    assert [each.batch for each in chosen] == [1, 4]
    one, four = estimate(network, workload, chosen, memory=MemorySpeed(20, 4))
    assert 4 * four.image_bytes == one.image_bytes
    assert 4 * four.cycles == pytest.approx(one.cycles, rel=0.01), "the first batch is no mean"
    assert four.area.bram > one.area.bram
    assert four.kind == f"{one.kind}, 4 a batch"
    assert four.to_json()["batch"] == 4 and "batch" not in one.to_json()
    assert folder_name(chosen[1]) == f"{folder_name(chosen[0])}-batch-4"
    words = AFTER["explore"](Namespace(search=None, network="N"), {"front": [four.to_json()]})
    assert dict(zip(words[2::2], words[3::2], strict=True))["--batch"] == 4


def test_limits_that_nothing_reaches(capsys):
    arguments = ["explore", f"ready:{NETWORK}", *ENGINE, "--max-bandwidth", "0.001"]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert "no configuration has at most 0.001 MB/s; of " in error
    assert "(sequential, external 32 bit) lanes " in error, "what to build"
    assert re.search(r" block RAM, [\d,.]+ MB/s of [\d,]+ bytes an image$", error.strip())


def test_both_architectures_and_what_a_person_types_next(capsys, tmp_path, monkeypatch):
    """Estimated, and built; what was built tells of which kind it is, and of which buffer."""
    file = tmp_path / "explore.json"
    monkeypatch.setattr("sstdp_rtl.exploration.synthesis.build_points", builder)
    arguments = ["--architecture", "any", "--weights", "any", "--samples", "3", "--jobs", "1"]
    limits = ["--target-fps", "20000", "--max-luts", "100000", "--memory-width", "32"]
    arguments += ["--synthesize", "--out", str(tmp_path / "points")]
    assert main(["explore", f"ready:{NETWORK}", *arguments, *limits, "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    kinds = {(row.get("architecture", "streaming"), row["weights"]) for row in found["points"]}
    assert kinds == {("streaming", "rom"), ("sequential", "rom"), ("sequential", "external")}
    text = capsys.readouterr().out
    estimated, _ = text.split("Built for ecp5-85k")
    assert "sequential, rom" in estimated and "streaming, rom" in estimated
    assert told_of_what_was_built(text, found["front"])
    (only,) = [row for row in found["points"] if row["weights"] == "external"][:1]
    words = AFTER["explore"](Namespace(search=None, network="N"), {"front": [only]})
    told = dict(zip(words[2::2], words[3::2], strict=True))
    assert told["--weights"] == "external" and told["--weight-buffer"] == only["weight_buffer"]


def test_both_architectures_with_weights_that_are_loaded(capsys, tmp_path):
    """An engine is smaller than what streaming needs least; every engine costs its loader."""
    file = tmp_path / "explore.json"

    def explored(architecture, weights):
        options = ["--architecture", architecture, "--weights", weights, "--json", str(file)]
        assert main(["explore", f"ready:{NETWORK}", *options, "--samples", "2", "--jobs", "1"]) == 0
        return json.loads(file.read_text())

    found = explored("any", "loadable")
    assert {row["weights"] for row in found["points"]} == {"loadable"}
    assert {row.get("architecture") for row in found["front"]} == {None, "sequential"}
    engines = [row for row in found["points"] if row.get("architecture")]
    least = min(row["lut"] for row in found["points"] if not row.get("architecture"))
    assert min(row["lut"] for row in engines) < least
    alone = explored("sequential", "loadable")["points"]
    assert alone == engines
    for loaded, rom in zip(alone, explored("sequential", "rom")["points"], strict=True):
        assert loaded["lanes"] == rom["lanes"] and loaded["lut"] > rom["lut"] + 300


@pytest.mark.parametrize("options, message", [
    (("--memory-latency", "9"), "--memory-latency goes with external weights, and none are asked"),
    (("--max-bandwidth", "9", "--architecture", "any"), "--max-bandwidth goes with external"),
    (("--weights", "external", "--architecture", "streaming"), "with --architecture sequential or"),
    (("--weights", "external", "--memory-interval", "0"), "--memory-interval must be at least 1"),
    (("--weights", "external", "--memory-latency", "4096"), "must be at least 0 and below 4096"),
    (("--weights", "external", "--memory-width", "24"), "must be 16, 32, 64 or 128 bits, not 24"),
    (("--batch", "2"), "--batch goes with external weights, and none are asked"),
    (("--weights", "external", "--batch", "9"), "Batch must be between 1 and 8 images, not 9"),
    (("--max-brams", "0"), "--max-brams must be positive"),
])  # fmt: skip
def test_options_of_an_exploration_that_cannot_be(options, message, capsys):
    assert main(["explore", f"ready:{NETWORK}", "--samples", "2", *options]) == 2
    assert message in capsys.readouterr().err
