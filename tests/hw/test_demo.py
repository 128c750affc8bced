"""The demo speaks the other verbs' language and tells failures; tests/integration runs it."""

import json
from pathlib import Path

import pytest
from hw.test_run_report import PARTS, write

from sstdp_hw.command import cli
from sstdp_hw.command.verb import Verb, VerbFailed
from sstdp_hw.verbs import demo

STEPS = ["train", "fine-tune", "quantize", "evaluate", "generate", "simulate", "build", "report"]


def test_every_step_is_a_command_that_its_verb_accepts(tmp_path):
    parser = cli.make_parser(cli.find_verbs())
    plan = demo.plan(tmp_path, "ulx3s-85f")
    assert [name for name, _ in plan] == STEPS
    for _, arguments in plan:
        parser.parse_args(arguments)


@pytest.fixture
def chain(monkeypatch):
    """Verbs that write what the real ones would, in no time; some may fail."""
    calls, failing = [], {}

    def configure(parser):
        parser.add_argument("rest", nargs="*")
        for option in ("out", "dataset", "recipe", "init", "weight-width", "samples", "board"):
            parser.add_argument(f"--{option}")
        parser.add_argument("--overwrite", action="store_true")

    def make(verb):
        def run(options):
            calls.append(verb)
            if verb == "train" and options.init:
                for name, content in PARTS.items():
                    write(Path(options.out), name, content)
            if verb in failing:
                raise failing[verb]
            return PARTS["evaluate.json"]

        return Verb(verb, verb, configure, run)

    verbs = {verb: make(verb) for verb in cli.ORDER[:-1]} | {"demo": demo.verb}
    monkeypatch.setattr(cli, "find_verbs", lambda: verbs)
    return calls, failing


def test_all_steps_in_order(chain, tmp_path, capsys):
    calls, _ = chain
    status = cli.main(["demo", "--out", str(tmp_path / "d"), "--json", str(tmp_path / "j")])
    assert status == 0
    assert calls == ["train", "train", *STEPS[2:]]
    result = json.loads((tmp_path / "j").read_text())
    assert result["mismatches"] == 0 and result["failures"] == []
    assert list(result["seconds"]) == [*STEPS, "total"]
    out = capsys.readouterr().out
    for words in (
        "float accuracy", "integer accuracy", "hardware accuracy", "mismatches",
        "cycles per image", "efficiency", "LUT / FF / block RAM", "fmax",
        "microseconds per image", "additions per image", "multiply-accumulates",
    ):  # fmt: skip
        assert words in out, words


def test_mismatch_is_status_1_and_the_table_still_comes(chain, tmp_path, capsys):
    calls, failing = chain
    failing["simulate"] = VerbFailed("2 of 599 images mismatch; first: image 3", {})
    status = cli.main(["demo", "--out", str(tmp_path / "d"), "--json", str(tmp_path / "j")])
    captured = capsys.readouterr()
    assert status == 1
    assert calls[-1] == "report"
    assert "sstdp-hw demo: simulate: 2 of 599 images mismatch; first: image 3" in captured.err
    assert "microseconds per image" in captured.out
    assert json.loads((tmp_path / "j").read_text())["failures"] == [
        "simulate: 2 of 599 images mismatch; first: image 3"
    ]


def test_step_that_the_others_need_ends_the_demo(chain, tmp_path, capsys):
    from sstdp_hw.base.errors import UserError

    calls, failing = chain
    failing["quantize"] = UserError("Weight width must be small")
    assert cli.main(["demo", "--out", str(tmp_path / "d")]) == 2
    assert calls == ["train", "train", "quantize"]
    assert "error: step quantize: Weight width must be small" in capsys.readouterr().err
