`timescale 1ns / 1ps
module harness (
  input  wire clk,
  input  wire rst_n,
  input  wire [31:0] first,  // packet of the file
  input  wire [31:0] packets,
  input  wire [31:0] wanted,
  input  wire [31:0] timeout_cycles,
  input  wire [31:0] quiet_cycles,
  input  wire isolated,
  input  wire [7:0] gap_chance,
  input  wire [7:0] stall_chance,
  input  wire [31:0] stall_cycles,
  input  wire [31:0] random_seed,
  input  wire [31:0] mutant,  // read by Verilog that has faults built in
  @{loading_inputs}
  @{memory_inputs}
  output reg  wake,
  output reg  done,
  output reg  [31:0] answered,
  output reg  violated
);
  integer packets_file, answers_file, spikes_file, got;
  reg  [@{record_bits}-1:0] record;
  reg  [@{packet_bits}-1:0] packet;
  reg  [31:0] position;
  reg  [31:0] packets_left;
  reg  [31:0] beats_left;
  reg  last_wanted;
  reg  [31:0] reset_wanted;  // cycles from the last beat of the packet to a reset, and one; 0: none
  reg  [31:0] reset_left;
  reg  reset_due;
  reg  [2:0] resetting;
  reg  started;
  reg  [63:0] cycle;
  reg  [31:0] waited;
  reg  packet_open;
  reg  [31:0] begun;
  reg  [63:0] first_beats [0:@{in_flight}-1];
  reg  s_valid;
  wire s_ready;
  wire s_last = last_wanted & (beats_left == 1);
  wire [@{answer_bits}-1:0] m_data;
  wire m_valid;
  wire m_last;
  reg  m_ready;
  reg  [31:0] stall_left;  // cycles for which m_ready stays as it is
  reg  [@{answer_bits}-1:0] held_data;
  reg  held;
  reg  [31:0] noise;

  wire sent = s_valid & s_ready;
  wire answer = m_valid & m_ready & (resetting == 0);
  wire ending = sent & (beats_left == 1);
  wire reset_now = reset_due & (reset_left == 0);
  wire hold = ending & (reset_wanted != 0) | reset_due | (resetting != 0);
  wire free = isolated ? (beats_left == 0) & (begun == answered) : (beats_left == 0) | ending;
  wire taking = free & !hold & (packets_left != 0)@{unless_loading};
  // Marsaglia's xorshift: new noise every cycle.
  wire [31:0] noise_1 = noise ^ (noise << 13);
  wire [31:0] noise_2 = noise_1 ^ (noise_1 >> 17);
  wire [31:0] noise_3 = noise_2 ^ (noise_2 << 5);
  wire [31:0] waiting = answer ? 0 : waited + 1;
  // An answer too many ends the run: more might come without end.
  wire finished = (waiting >= timeout_cycles) | (answered > wanted)
    | ((answered >= wanted) & !answer & (waiting >= quiet_cycles));

  @{loading_declarations}
  @{memory_declarations}
  initial begin
    packets_file = $fopen("@{packets_file}", "rb");
    answers_file = $fopen("@{answers_file}", "w");
    @{open_loads}
    @{open_spikes}
  end

  always @(posedge clk) begin
    if (!rst_n) begin
      got = $fseek(packets_file, first * @{record_bytes}, 0);
      started <= 0;
      packets_left <= packets;
      position <= 0;
      beats_left <= 0;
      last_wanted <= 0;
      reset_wanted <= 0;
      reset_due <= 0;
      reset_left <= 0;
      resetting <= 0;
      s_valid <= 0;
      cycle <= 0;
      waited <= 0;
      packet_open <= 0;
      begun <= 0;
      wake <= 0;
      done <= 0;
      answered <= 0;
      m_ready <= 0;
      stall_left <= 0;
      held <= 0;
      violated <= 0;
      noise <= {random_seed[30:0], 1'b1};
      @{loading_reset}
    end else if (!done) begin
      started <= 1;
      if (!started) $fwrite(answers_file, "@{start} 0 0\n");
      cycle <= cycle + 1;
      noise <= noise_3;
      // A beat once offered stays until it is taken.
      s_valid <= (s_valid & !s_ready)
        | ((taking | (beats_left != 0) & !ending) & (noise[7:0] >= gap_chance));
      if (taking) begin
        got = $fread(record, packets_file);
        if (got != @{record_bytes}) begin
          $display("error: @{packets_file} is too short");
          $finish;
        end
        packet <= record[@{packet_bits}-1:0];
        position <= 0;
        beats_left <= record[@{packet_bits} +: 32];
        last_wanted <= record[@{packet_bits} + 32];
        reset_wanted <= record[@{packet_bits} + 40 +: 32];
        packets_left <= packets_left - 1;
      end else if (sent) begin
        position <= position + 1;
        beats_left <= beats_left - 1;
      end
      if (sent) begin
        packet_open <= !s_last;
        if (!packet_open) begin
          first_beats[begun % @{in_flight}] <= cycle;
          begun <= begun + 1;
        end
      end
      stall_left <= (stall_left == 0 ? stall_cycles : stall_left) - 1;
      if (stall_left == 0) m_ready <= noise[15:8] >= stall_chance;
      if (answer) begin
        $fwrite(answers_file, "%0d %0d %0d\n", m_data, first_beats[answered % @{in_flight}], cycle);
        answered <= answered + 1;
      end
      held <= m_valid & !m_ready & !reset_now & (resetting == 0);
      held_data <= m_data;
      if ((resetting == 0) & ((held & (!m_valid | (m_data != held_data)))
        | (m_valid & !m_last)))
        violated <= 1;
      @{write_spikes}
      @{loading_step}
      waited <= waiting;
      reset_left <= ending & (reset_wanted != 0) ? reset_wanted - 1 : reset_left - 1;
      reset_due <= ending & (reset_wanted != 0) | (reset_due & !reset_now);
      // A reset lasts 1 to 4 cycles, most often one: the longer it is, the more it hides.
      if (reset_now) resetting <= (noise[17:16] & {2{noise[18]}}) + 3'd1;
      else resetting <= resetting - (resetting != 0);
      if (reset_now) begin
        // What was begun and not answered is forgotten.
        $fwrite(answers_file, "@{reset} %0d %0d\n", begun, cycle);
        answered <= begun;
        packet_open <= 0;
        waited <= 0;
      end
      if (finished) begin
        done <= 1;
        $fflush(answers_file);
        @{flush_spikes}
      end
      if (finished | (answer & (answered % @{wake_every} == @{wake_every} - 1)))
        wake <= !wake;
    end
  end

  @{top} dut (
    .aclk(clk),
    .aresetn(rst_n & (resetting == 0)),
    .s_axis_tdata(packet[position*@{beat_bits} +: @{beat_bits}]),
    .s_axis_tvalid(s_valid),
    .s_axis_tready(s_ready),
    .s_axis_tlast(s_last),
    .m_axis_tdata(m_data),
    .m_axis_tvalid(m_valid),
    .m_axis_tready(m_ready),
    .m_axis_tlast(m_last)@{loading_ports}@{memory_ports}
  );
endmodule
