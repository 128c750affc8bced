"""Text from files that others wrote: printed as it is, or refused in one line."""

import dataclasses
import json

import numpy as np
import pytest
from support.networks import small_network

from sstdp_hw.base.errors import UserError
from sstdp_hw.command.cli import main
from sstdp_hw.network.network import Network
from sstdp_hw.network.tensor_file import METADATA_KEY, read_tensors


def test_markup_in_a_name_is_printed_as_it_is(tmp_path, capsys):
    images = np.zeros((2, 8, 8), np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=np.zeros(2, int))
    path = tmp_path / "network.safetensors"
    dataclasses.replace(small_network(), name="a[/b] [red]x").save(path)
    assert main(["evaluate", str(path), "--dataset", str(tmp_path / "data.npz")]) == 0
    assert "a[/b] [red]x" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["a\nb", "\ud800", "\x1b[31m", "\x00"])
def test_names_that_cannot_be_printed_are_refused(text):
    with pytest.raises(UserError, match="name must be printable text") as caught:
        dataclasses.replace(small_network(), name=text)
    assert str(caught.value).isprintable()
    with pytest.raises(UserError, match="class_names must be printable text"):
        dataclasses.replace(small_network(), class_names=(text,) * 7)


def metadata_replaced(path, change):
    """The network file with its JSON changed as text."""
    from safetensors.numpy import save_file

    tensors, header = read_tensors(path, "network")
    save_file(tensors, path, metadata={METADATA_KEY: change(json.dumps(header))})


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('"provenance": {}', '"provenance": {"loss": NaN}', "NaN is not JSON"),
        ('"t_max": 6', '"t_max": 1' + "0" * 400, "t_max must be between 1 and 255, not a huge"),
    ],
)
def test_numbers_that_are_none(tmp_path, old, new, text):
    path = tmp_path / "network.safetensors"
    small_network().save(path)
    metadata_replaced(path, lambda header: header.replace(old, new))
    with pytest.raises(UserError, match=text) as caught:
        Network.load(path)
    assert len(str(caught.value)) < 300
