// Golden testbench, generated: a few packets with gaps and stalls, one of which ends early, and the
// answers that the integer reference gives. Prints PASS and ends with status 0, or prints what is
// wrong and FAIL and ends with another status. Any simulator of Verilog-2005 will do:
//   $ iverilog -g2005 -o golden accelerator.v testbench.v && vvp -n golden
//   $ verilator --binary --timing -CFLAGS "-std=c++20 -fcoroutines" --top-module @{module} \
//       accelerator.v testbench.v && obj_dir/V@{module}
// one file holds it all, whatever its name:
// verilator lint_off DECLFILENAME
// operands are extended by Verilog's rules, not by casts:
// verilator lint_off WIDTH
module @{module};
  localparam BEATS = @{beats};  // of all packets
  localparam ANSWERS = @{answers};
  localparam TIMEOUT = @{timeout};  // cycles
  localparam QUIET = @{quiet};  // cycles after the last answer in which no other may come

  reg  [@{beat_bits}:0] beats [0:BEATS];  // tlast, tdata
  reg  [31:0] answers [0:ANSWERS];
  reg  aclk;
  reg  aresetn;
  reg  [7:0] cycle;
  reg  [31:0] noise;
  reg  [@{position_bits}-1:0] position;  // beats that were sent
  reg  s_valid;
  wire s_ready;
  wire [@{beat_bits}:0] beat = beats[position];
  wire sent = s_valid & s_ready;
  wire more = (position + sent) < BEATS;
  wire [31:0] m_data;
  wire m_valid;
  wire m_last;
  reg  [31:0] stall;  // cycles that the next answer has to wait
  wire m_ready = (stall == 0);
  wire answer = m_valid & m_ready;
  reg  [@{answer_bits}-1:0] answered;
  reg  [31:0] waited;
  reg  held;
  reg  [31:0] held_data;
@{loading}
  integer i;

  // Marsaglia's xorshift: new noise every cycle.
  wire [31:0] noise_1 = noise ^ (noise << 13);
  wire [31:0] noise_2 = noise_1 ^ (noise_1 >> 17);
  wire [31:0] noise_3 = noise_2 ^ (noise_2 << 5);

@{contents}
  initial begin
    aclk = 0;
    aresetn = 0;
    cycle = 0;
    noise = 1;
    position = 0;
    s_valid = 0;
    stall = @{first_stall};
    answered = 0;
    waited = 0;
    held = 0;
    held_data = 0;
  end
  initial forever #5 aclk = !aclk;

  task fail;
    begin
      $display("FAIL");
`ifdef __ICARUS__
      $finish_and_return(1);
`else
      $stop;
`endif
    end
  endtask

  always @(posedge aclk) begin
    noise <= noise_3;
    if (cycle != 255) cycle <= cycle + 1;
    aresetn <= (cycle >= 8);
    // A beat once offered stays until it is taken.
    s_valid <= aresetn & ((s_valid & !s_ready) | (more & (noise[1:0] != 0)));
    position <= position + sent;
    @{load}
    if (answer) stall <= noise[13:8];
    else if (m_valid) stall <= stall - 1;
    answered <= answered + answer;
    waited <= answer ? 0 : waited + 1;
    held <= m_valid & !m_ready;
    held_data <= m_data;
    if (answer & (answered == ANSWERS)) begin
      $display("One answer too many: %h", m_data);
      fail;
    end else if (answer & ((m_data !== answers[answered]) | (m_last !== 1'b1))) begin
      $display("Answer %0d: expected %h with tlast, got %h with tlast %b", answered,
        answers[answered], m_data, m_last);
      fail;
    end else if (held & ((m_valid !== 1'b1) | (m_data !== held_data))) begin
      $display("Answer %0d changed before it was taken", answered);
      fail;
    end else if ((answered == ANSWERS) & (waited == QUIET)) begin
      $display("PASS: %0d answers", answered);
      $finish;
    end else if (waited == TIMEOUT) begin
      $display("Answer %0d did not come within %0d cycles", answered, waited);
      fail;
    end
  end

  @{top} dut (
    .aclk(aclk),
    .aresetn(aresetn),
    .s_axis_tdata(beat[@{beat_bits}-1:0]),
    .s_axis_tvalid(s_valid),
    .s_axis_tready(s_ready),
    .s_axis_tlast(beat[@{beat_bits}]),
    .m_axis_tdata(m_data),
    .m_axis_tvalid(m_valid),
    .m_axis_tready(m_ready),
    .m_axis_tlast(m_last)@{loading_ports}
  );
endmodule
