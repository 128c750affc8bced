"""A small accelerator with the normative ports, so that the flow is tested without the generator.

It is no network: the class is the sum of the image's bytes passed through a table in block RAM, the
decision time is the number of beats, both modulo 256; `[17]` flags a packet of the wrong length.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def verilog(inputs: int, pixels_per_beat: int, ram_bits: int = 0) -> str:
    """Verilog-2005 of the stand-in; ``ram_bits`` > 0 adds ballast of 2**ram_bits bytes."""
    beats = -(-inputs // pixels_per_beat)
    used = [
        inputs - (beats - 1) * pixels_per_beat,
        pixels_per_beat,
    ]  # bytes of the last beat, others
    sums = [
        " + ".join(f"s_axis_tdata[{8 * i + 7}:{8 * i}]" for i in range(count)) for count in used
    ]
    return f"""\
module accelerator(
  input wire aclk, input wire aresetn,
  input wire [{8 * pixels_per_beat - 1}:0] s_axis_tdata, input wire s_axis_tvalid,
  output wire s_axis_tready, input wire s_axis_tlast,
  output reg [31:0] m_axis_tdata, output reg m_axis_tvalid,
  input wire m_axis_tready, output wire m_axis_tlast);
  (* ram_style = "block" *) reg [7:0] rom [0:255];
  integer i;
  initial for (i = 0; i < 256; i = i + 1) rom[i] = (i * 5) + 3;
  {_ballast(ram_bits) if ram_bits else "wire [7:0] ballast = 8'b0;"}
  reg [7:0] sum; reg [15:0] beat; reg [1:0] state; reg [7:0] looked_up; reg wrong;
  assign s_axis_tready = state == 0;
  assign m_axis_tlast = 1'b1;
  wire last = beat == {beats - 1};
  always @(posedge aclk) begin
    looked_up <= rom[sum];
    if (!aresetn) begin
      state <= 0; sum <= 0; beat <= 0; m_axis_tvalid <= 0; m_axis_tdata <= 0; wrong <= 0;
    end else case (state)
      0: if (s_axis_tvalid) begin
        sum <= sum + (last ? {sums[0]} : {sums[1]});
        beat <= beat + 1;
        if (s_axis_tlast) begin state <= 1; wrong <= !last; end
      end
      1: state <= 2;
      2: begin
        m_axis_tdata <= {{14'b0, wrong, 1'b0, beat[7:0], looked_up ^ ballast}};
        m_axis_tvalid <= 1; state <= 3;
      end
      3: if (m_axis_tready) begin m_axis_tvalid <= 0; state <= 0; sum <= 0; beat <= 0; end
    endcase
  end
endmodule
"""


def _ballast(bits: int) -> str:
    """A large memory that no optimization may remove, though all it ever holds is zeros."""
    return f"""\
(* ram_style = "block" *) reg [7:0] ram [0:{2**bits - 1}];
  reg [{bits - 1}:0] address; reg [7:0] ballast;
  always @(posedge aclk) begin
    address <= {{address, m_axis_tready}};
    ballast <= ram[address];
    if (state == 3) ram[address] <= ballast;
  end"""


def expected_result(image: bytes, pixels_per_beat: int) -> int:
    """The result word of the stand-in for a whole image."""
    beats = -(-len(image) // pixels_per_beat)
    return ((sum(image) % 256 * 5 + 3) % 256) | (beats % 256) << 8


def manifest(text: str, inputs: int, pixels_per_beat: int) -> dict[str, Any]:
    """The manifest that belongs to ``verilog(inputs, pixels_per_beat)``."""

    def port(name: str, direction: str, width: int = 1) -> dict[str, Any]:
        return {"name": name, "direction": direction, "width": width}

    return {
        "format_version": 1,
        "name": "stand-in",
        "top": "accelerator",
        "verilog": "accelerator.v",
        "verilog_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "network": {
            "file": "network.safetensors", "digest": "0" * 64, "inputs": inputs, "classes": 10,
            "t_max": 8,
        },
        "configuration": {"lanes": [1], "pixels_per_beat": pixels_per_beat, "early_exit": True},
        "layers": [],
        "probes": [],
        "ports": [
            port("aclk", "input"),
            port("aresetn", "input"),
            port("s_axis_tdata", "input", 8 * pixels_per_beat),
            port("s_axis_tvalid", "input"),
            port("s_axis_tready", "output"),
            port("s_axis_tlast", "input"),
            port("m_axis_tdata", "output", 32),
            port("m_axis_tvalid", "output"),
            port("m_axis_tready", "input"),
            port("m_axis_tlast", "output"),
        ],
    }  # fmt: skip


def write(folder: Path, *, inputs: int = 12, pixels_per_beat: int = 1, ram_bits: int = 0) -> Path:
    """Write the stand-in as the generator writes an accelerator, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = verilog(inputs, pixels_per_beat, ram_bits)
    (folder / "accelerator.v").write_text(text)
    description = manifest(text, inputs, pixels_per_beat)
    (folder / "manifest.json").write_text(json.dumps(description, indent=2))
    return folder
