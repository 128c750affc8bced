"""The Verilog around the accelerator in simulation: plays whole packets and catches the answers.

Python is slow to wake, so it is woken once per packet and once per answer. In between the harness
works alone: it plays the packet beat by beat, with random gaps if asked for, applies random
backpressure, counts cycles, and watches the rules of the output stream.
"""

from __future__ import annotations

HARNESS_TOP = "harness"

# Verilog-2005. `next_*` belong to Python: it fills them and flips `next_flag`; the harness takes
# them over and flips `taken_flag` to match.
_TEMPLATE = """\
`timescale 1ns / 1ps
module harness (
  input  wire clk,
  input  wire rst_n,
  input  wire [{packet_bits}-1:0] next_packet,
  input  wire [31:0] next_beats,
  input  wire next_last,
  input  wire next_flag,
  output reg  taken_flag,
  input  wire [7:0] gap_chance,
  input  wire [7:0] stall_chance,
  input  wire [31:0] random_seed,
  output reg  [31:0] result,
  output reg  [63:0] result_cycle,
  output reg  result_flag,
  output reg  [63:0] first_cycle,
  output reg  violated
);
  reg  [{packet_bits}-1:0] packet;
  reg  [31:0] position;
  reg  [31:0] beats_left;
  reg  last_wanted;
  reg  [63:0] cycle;
  reg  started;
  reg  s_valid;
  wire s_ready;
  wire [31:0] m_data;
  wire m_valid;
  wire m_last;
  reg  m_ready;
  reg  [31:0] held_data;
  reg  held;
  reg  [31:0] noise;

  wire sent = s_valid & s_ready;
  wire playing = beats_left != 0;
  wire ending = sent & (beats_left == 1);
  wire taking = (!playing | ending) & (next_flag != taken_flag);
  wire [31:0] after = taking ? next_beats : sent ? beats_left - 1 : beats_left;
  // Marsaglia's xorshift: new noise every cycle.
  wire [31:0] noise_1 = noise ^ (noise << 13);
  wire [31:0] noise_2 = noise_1 ^ (noise_1 >> 17);
  wire [31:0] noise_3 = noise_2 ^ (noise_2 << 5);

  always @(posedge clk) begin
    if (!rst_n) begin
      taken_flag <= 0;
      position <= 0;
      beats_left <= 0;
      s_valid <= 0;
      cycle <= 0;
      started <= 0;
      first_cycle <= 0;
      result <= 0;
      result_cycle <= 0;
      result_flag <= 0;
      m_ready <= 0;
      held <= 0;
      violated <= 0;
      noise <= {{random_seed[30:0], 1'b1}};
    end else begin
      cycle <= cycle + 1;
      noise <= noise_3;
      beats_left <= after;
      if (taking) begin
        packet <= next_packet;
        last_wanted <= next_last;
        taken_flag <= next_flag;
      end
      position <= taking ? 0 : position + sent;
      // A beat once offered stays until it is taken.
      s_valid <= (s_valid & !s_ready) | ((after != 0) & (noise[7:0] >= gap_chance));
      if (sent & !started) begin
        started <= 1;
        first_cycle <= cycle;
      end
      m_ready <= noise[15:8] >= stall_chance;
      if (m_valid & m_ready) begin
        result <= m_data;
        result_cycle <= cycle;
        result_flag <= !result_flag;
      end
      held <= m_valid & !m_ready;
      held_data <= m_data;
      if ((held & (!m_valid | (m_data != held_data))) | (m_valid & !m_last))
        violated <= 1;
    end
  end

  accelerator dut (
    .aclk(clk),
    .aresetn(rst_n),
    .s_axis_tdata(packet[position*{beat_bits} +: {beat_bits}]),
    .s_axis_tvalid(s_valid),
    .s_axis_tready(s_ready),
    .s_axis_tlast(last_wanted & (beats_left == 1)),
    .m_axis_tdata(m_data),
    .m_axis_tvalid(m_valid),
    .m_axis_tready(m_ready),
    .m_axis_tlast(m_last)
  );
endmodule
"""


def harness_verilog(max_beats: int, pixels_per_beat: int) -> str:
    """The harness for packets of up to ``max_beats`` beats."""
    beat_bits = 8 * pixels_per_beat
    return _TEMPLATE.format(packet_bits=max_beats * beat_bits, beat_bits=beat_bits)
