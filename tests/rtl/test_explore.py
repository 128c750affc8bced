"""Choice by goal and the Pareto front."""

import json

import numpy as np
import pytest
from support.networks import random_case

from sstdp_hw import ready
from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.command.cli import main
from sstdp_hw.models.cost import cycle_bound
from sstdp_hw.models.exploration import (
    Goal,
    balanced_configurations,
    choose,
    estimate,
    find_workload,
    pareto_front,
)
from sstdp_hw.reference import inference as reference

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


def test_explore_writes_json_and_a_picture(tmp_path):
    data, picture = tmp_path / "front.json", tmp_path / "front.png"
    arguments = ["explore", f"ready:{NETWORK}", "--samples", "5", "--json", str(data)]
    assert main([*arguments, "--plot", str(picture)]) == 0
    result = json.loads(data.read_text())
    assert len(result["front"]) > 5
    assert picture.read_bytes().startswith(b"\x89PNG")
