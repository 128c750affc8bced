"""Damaged checkpoints are refused in one line, whatever the damage."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from sstdp_hw.base.errors import UserError
from sstdp_train import train
from sstdp_train.training import checkpoint


@pytest.fixture
def run(tiny, bars, tmp_path):
    train(tiny.with_(epochs=1), bars, out=tmp_path / "run", device="cpu")
    return tmp_path / "run"


def resume(run, tiny, bars):
    return train(tiny.with_(epochs=1), bars, out=run, device="cpu", resume=True)


def damage(run, change):
    path = run / checkpoint.FILE_NAME
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)


def one_line(caught):
    text = str(caught.value)
    assert "\n" not in text
    assert text.count(checkpoint.FILE_NAME) == 1
    return text


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_file(run, tiny, bars, keep):
    path = run / checkpoint.FILE_NAME
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(UserError, match="must be a whole checkpoint") as caught:
        resume(run, tiny, bars)
    one_line(caught)


def test_a_flipped_bit(run, tiny, bars):
    """In the weights, where the file is still well-formed."""
    path = run / checkpoint.FILE_NAME
    weight = torch.load(path, weights_only=True)["network"]["layers.0.weight"].numpy().tobytes()
    content = bytearray(path.read_bytes())
    content[content.index(weight)] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="must be a whole checkpoint") as caught:
        resume(run, tiny, bars)
    one_line(caught)


def test_a_missing_file(run, tiny, bars):
    (run / checkpoint.FILE_NAME).unlink()
    with pytest.raises(UserError, match="no such checkpoint; start the run without --resume"):
        resume(run, tiny, bars)


def test_code_in_a_file_is_not_executed(run, tiny, bars, tmp_path):
    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    path = run / checkpoint.FILE_NAME
    for write in (lambda: torch.save(Attack(), path), lambda: path.write_bytes(
        pickle.dumps(Attack()))):  # fmt: skip
        write()
        with pytest.raises(UserError, match="must be a whole checkpoint") as caught:
            resume(run, tiny, bars)
        one_line(caught)
        assert not (tmp_path / "owned").exists()


def test_nan_in_weights(run, tiny, bars):
    damage(run, lambda state: state["network"]["layers.0.weight"].view(-1)[:3].fill_(float("nan")))
    with pytest.raises(UserError, match=r"layers\.0\.weight must be finite, and has 3 NaN") as told:
        resume(run, tiny, bars)
    one_line(told)


def test_nan_in_the_running_mean(tmp_path, tiny, bars):
    averaged, out = tiny.with_(averaging=1.0), tmp_path / "averaged"
    train(averaged, bars, out=out, device="cpu")
    damage(out, lambda state: state["average"]["module.layers.1.weight"].fill_(float("nan")))
    with pytest.raises(
        UserError, match=r"average\.module\.layers\.1\.weight must be finite"
    ) as told:
        resume(out, averaged, bars)
    one_line(told)


def test_nan_in_the_optimizer(run, tiny, bars):
    damage(run, lambda state: state["optimizer"]["state"][0]["exp_avg"].fill_(float("inf")))
    with pytest.raises(UserError, match=r"optimizer\.0\.exp_avg must be finite"):
        resume(run, tiny, bars)


def test_something_else(run, tiny, bars):
    torch.save([1, 2], run / checkpoint.FILE_NAME)
    with pytest.raises(UserError, match="checkpoint format must be 'sstdp-train-1', not 'list'"):
        resume(run, tiny, bars)


@pytest.mark.parametrize("name", ["optimizer", "average", "scales", "history"])
def test_a_missing_part(run, tiny, bars, name):
    damage(run, lambda state: state.pop(name))
    with pytest.raises(UserError, match=f"checkpoint must hold '{name}', and it is missing"):
        resume(run, tiny, bars)


@pytest.mark.parametrize("part", ["network", "optimizer", "best", "scales", "history", "recipe"])
@pytest.mark.parametrize("value", [{}, [], 3])
def test_parts_of_another_form(run, tiny, bars, part, value):
    def change(state):
        state[part] = value

    damage(run, change)
    with pytest.raises(UserError) as caught:
        resume(run, tiny, bars)
    one_line(caught)


def test_weights_of_another_shape(run, tiny, bars):
    def change(state):
        state["network"]["layers.0.weight"] = torch.zeros(3, 3)

    damage(run, change)
    with pytest.raises(UserError, match="checkpoint must fit its own recipe") as caught:
        resume(run, tiny, bars)
    one_line(caught)


def test_a_disk_that_cannot_be_written_is_one_line(tmp_path):
    """torch's own writer raises RuntimeError there, which is no error of a file to anybody."""
    (tmp_path / checkpoint.FILE_NAME).mkdir()
    before = {"epoch": 1}
    with pytest.raises(UserError, match="cannot be written"):
        checkpoint.save(tmp_path / checkpoint.FILE_NAME, before)


def test_a_full_disk_is_one_line(tmp_path):
    if not Path("/dev/full").is_char_device():
        pytest.skip("no /dev/full")
    with pytest.raises(UserError, match=r"cannot be written: .*No space left"):
        checkpoint.save(Path("/dev/full"), {"epoch": 1})
