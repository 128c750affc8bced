"""What the command line leads to: the next command after each verb, and completion by a shell."""

import shlex
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from support.networks import small_network

from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import find_verbs, main, make_parser
from sstdp_hw.command.completion import SHELLS, script
from sstdp_hw.command.next_step import AFTER, next_step
from sstdp_hw.command.verb import named_verb
from sstdp_rtl.generator.generate import generate

VERBS = find_verbs()
STARTER = "ready:digits-64-64-10-4bit"
FRONT = {
    "front": [{"lanes": [4, 1], "pixels_per_beat": 1}, {"lanes": [8, 2], "pixels_per_beat": 2}]
}
#: Command line, result, what follows; DIR is a generated folder.
CASES = {
    "train --dataset digits --out a": (
        {}, "quantize a --weight-width 4 --out a/network.safetensors",
    ),
    "train --init a --weight-width 4 --out b": (
        {"recipe": {"weight_widths": [4]}}, "quantize b --out b/network.safetensors",
    ),
    "train --dataset digits --hours 1 --out a": ({"finished": False}, "train --resume --out a"),
    "import g.nir --out 'a b'": (
        {}, "quantize 'a b' --weight-width 4 --out 'a b/network.safetensors'",
    ),
    "import --check g.nir": ({}, None),
    "quantize a --out a/n.safetensors": ({}, "generate a/n.safetensors --out a/accelerator"),
    "export a --out g.nir": ({}, "import --check g.nir"),
    "ready": ({}, f"generate {STARTER} --out build/digits-64-64-10-4bit"),
    "ready mnist-conv-4bit": ({}, "generate ready:mnist-conv-4bit --out build/mnist-conv-4bit"),
    f"evaluate {STARTER}": ({}, f"explore {STARTER}"),
    f"explore {STARTER}": (
        FRONT,
        f"generate {STARTER} --lanes 8,2 --pixels-per-beat 2 --out build/accelerator",
    ),
    "explore n --no-early-exit": (
        {"front": [{"lanes": [4, 1], "early_exit": False}]},
        "generate n --lanes 4,1 --no-early-exit --out build/accelerator",
    ),
    "generate n.safetensors --out DIR": ({}, "simulate DIR --dataset tones.npz"),
    "generate n --dataset digits --target-fps 9 --out DIR": ({}, "simulate DIR --dataset digits"),
    "simulate DIR --dataset digits": ({}, "build DIR --device ecp5-25k"),
    "build DIR --device ecp5-25k": ({}, "report DIR --html"),
    "build DIR --board ulx3s-85f": ({}, "flash DIR --board ulx3s-85f"),
    "flash DIR --board ulx3s-85f": ({}, "run DIR --port /dev/ttyUSB0 --dataset tones.npz"),
    "board-test DIR --port sim": ({}, "run DIR --port sim --dataset tones.npz"),
    "run DIR --port sim --dataset digits": ({}, "report DIR --html"),
    "demo --out a": ({}, "report a/quantized --html"),
    "report a": ({}, None),
}  # fmt: skip


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("next") / "accelerator"
    network = replace(small_network(), provenance={"asked": {"dataset": "tones.npz"}})
    generate(network, Configuration(), path)
    return path


def parsed(words):
    return make_parser(VERBS).parse_args(named_verb(VERBS, words))


@pytest.mark.parametrize("typed", CASES)
def test_the_next_command_fits_and_is_one(typed, directory):
    result, expected = CASES[typed]
    options = parsed(shlex.split(typed.replace("DIR", str(directory))))
    found = next_step(options, result)
    if expected is None:
        assert found is None
        return
    assert found == f"sstdp-hw {expected}".replace("DIR", str(directory))
    parsed(shlex.split(found)[1:])


def test_every_verb_of_the_table_is_there_and_shown():
    assert set(AFTER) <= set(VERBS)
    assert set(AFTER) == {typed.split()[0] for typed, case in CASES.items() if case[1]}


def test_a_folder_that_is_gone_is_no_failure(tmp_path):
    assert next_step(parsed(["generate", "n", "--out", str(tmp_path / "gone")]), {}) is None


def test_it_is_the_last_line_for_a_person_and_not_in_the_result(capsys):
    assert main(["ready"]) == 0
    shown = capsys.readouterr()
    assert shown.err.splitlines()[-1] == f"Next: sstdp-hw {CASES['ready'][1]}"
    assert "Next:" not in shown.out


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_every_shell(shell, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", shell])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "board-test" in shown and "--weight-width" in shown


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sim", {"simulate"}),
        ("bu", {"build"}),
        ("verify re", {"record"}),
        ("simulate --back", {"--backpressure"}),
        ("build --bo", {"--board"}),
        ("--print-completion z", {"zsh"}),
    ],
)
def test_bash_completes(typed, offered, tmp_path):
    file = tmp_path / "completion"
    file.write_text(script(VERBS, "bash"), encoding="utf-8")
    words = ["sstdp-hw", *typed.split()]
    ask = f"""
        shopt -s extglob progcomp; source {file}
        COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}
        _shtab_sstdp_hw; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, cwd=tmp_path)
    assert set(ran.stdout.split()) == offered, ran.stderr


def test_without_shtab_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", "bash"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "sstdp-hw: error: the Python package shtab is missing; "
        "pip install 'sstdp-hw[completion]' brings it"
    )
