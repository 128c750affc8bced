"""The tables that generator and consumers share: answers, events, ports, names of files."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from sstdp_hw.contract import file_names
from sstdp_hw.contract.answer import ANSWER, ANSWER_WIDTH, pack_answers, unpack_answers
from sstdp_hw.contract.events import event_fields, event_header, group_fields
from sstdp_hw.contract.fields import Field, from_json, in_row, pack, to_json, total_width, unpack

ROOT = Path(__file__).parents[2]
PACKAGES = ("sstdp_hw", "rtl", "sim", "training", "benchmarks")


def test_the_answer_has_its_bits_where_users_read_them():
    found = {name: (offset, width) for name, offset, width, _ in ANSWER}
    assert found == {
        "class": (0, 8), "decision_time": (8, 8), "silent": (16, 1), "frame_error": (17, 1)
    }  # fmt: skip
    assert ANSWER_WIDTH == 32


def test_answers_are_packed_and_unpacked_as_arrays():
    random = np.random.default_rng(3)
    values = {
        "class": random.integers(0, 256, (5, 40)),
        "decision_time": random.integers(0, 256, (5, 40)),
        "silent": random.random((5, 40)) < 0.5,
        "frame_error": random.random((5, 40)) < 0.5,
    }
    words = pack_answers({name: found.astype(np.uint8) for name, found in values.items()})
    assert words.dtype == np.int64 and words.shape == (5, 40)
    by_hand = (
        values["class"] + (values["decision_time"] << 8)
        + values["silent"] * 2**16 + values["frame_error"] * 2**17
    )  # fmt: skip
    np.testing.assert_array_equal(words, by_hand)
    found = unpack_answers(words)
    assert list(found) == list(values)
    for name, wanted in values.items():
        assert found[name].dtype == wanted.dtype, name
        np.testing.assert_array_equal(found[name], wanted, name)


def test_one_answer_is_unpacked_too():
    found = unpack_answers(0xFFFC_0507)  # bits above the fields count for nothing
    assert (int(found["class"]), int(found["decision_time"])) == (7, 5)
    assert not found["silent"] and not found["frame_error"]


def test_fields_without_a_value_are_zero_and_unknown_ones_refused():
    assert pack_answers({"silent": np.array([True, False])}).tolist() == [1 << 16, 0]
    with pytest.raises(KeyError, match="klass"):
        pack_answers({"klass": np.zeros(2)})


def test_a_value_that_does_not_fit_is_refused():
    """It would spill over into the next field."""
    for wrong in (256, -1):
        with pytest.raises(ValueError, match="class must fit 8 bits"):
            pack_answers({"class": np.array([3, wrong])})


def test_words_wider_than_64_bits():
    """Those of an output layer, which shows the potentials of all lanes."""
    fields = group_fields(lanes=30, index_width=9, step_width=3, membrane_width=13)
    values = {"tag": 5, "final": 1, "close": 0, "step": 6, "base": 300, "fired": 2**29 + 1}
    values["v"] = 3**240
    assert total_width(fields) == 3 + 1 + 1 + 3 + 9 + 30 + 30 * 13
    assert unpack(fields, pack(fields, values)) == values


def test_fields_stand_in_a_row():
    assert in_row((("a", 3, "first"), ("b", 1, ""))) == (
        Field("a", 0, 3, "first"),
        Field("b", 3, 1),
    )


def test_the_manifest_keeps_places_and_widths():
    fields = event_fields(10, 3)
    assert to_json(fields)[0] == {"name": "tag", "lsb": 0, "width": 3}
    assert [field[:3] for field in from_json(to_json(fields))] == [field[:3] for field in fields]


def test_events_and_groups():
    assert [field.name for field in event_fields(10, 3)] == ["tag", "end", "last", "step", "index"]
    assert event_fields(10, 3)[:-1] == event_header(3)
    assert total_width(event_fields(10, 3)) == 18
    assert "v" not in [field.name for field in group_fields(4, 5, 3)]
    assert total_width(group_fields(4, 5, 3)) == 17


def test_the_documentation_has_every_field():
    text = (ROOT / "docs" / "streams.md").read_text()
    for name, offset, width, _ in ANSWER:
        bits = f"{offset + width - 1}:{offset}" if width > 1 else f"{offset}"
        assert re.search(rf"^\| {bits} \| [^|]* \| `{name}` \|", text, re.MULTILINE), name
    end = max(offset + width for _, offset, width, _ in ANSWER)
    assert f"\n| {ANSWER_WIDTH - 1}:{end} | | | zero |" in text
    for fields in (event_fields(4, 3), group_fields(4, 4, 3, 9)):
        rows = [rf"\| `{field.name}` \|[^\n]*\n" for field in fields]
        assert re.search(r"\|---\|---\|---\|\n" + "".join(rows), text), fields[1].name


def test_file_names_stand_in_one_place():
    names = {
        value
        for value in vars(file_names).values()
        if isinstance(value, str) and Path(value).suffix in (".v", ".json", ".npz", ".core", ".h")
    }
    assert len(names) == 12
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if path == Path(file_names.__file__):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and node.value in names:
                    raise AssertionError(f"{path}, line {node.lineno}: {node.value}")
