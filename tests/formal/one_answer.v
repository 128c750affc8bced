// A whole accelerator: every packet gets one answer, not before it came, which stays until taken; as
// long as any is due, one is offered within LATENCY cycles. Its bits from ZEROS on are 0.
module one_answer #(parameter WIDTH = 8, BEATS = 2, LATENCY = 31, ZEROS = 18) (
  input wire clk,
  input wire rst,
  input wire [WIDTH-1:0] s_data,
  input wire s_valid,
  input wire s_last,
  input wire m_ready
);
  wire s_ready, m_valid, m_last;
  wire [31:0] m_data;
  accelerator block (
    .aclk(clk), .aresetn(!rst), .s_axis_tdata(s_data), .s_axis_tvalid(s_valid),
    .s_axis_tready(s_ready), .s_axis_tlast(s_last), .m_axis_tdata(m_data),
    .m_axis_tvalid(m_valid), .m_axis_tready(m_ready), .m_axis_tlast(m_last)
  );

  reg first = 1, was_held = 0, was_offered = 0, offered_last;
  reg [WIDTH-1:0] offered;
  reg [31:0] held;
  reg [4:0] beat = 0, images = 0, answers = 0;
  reg [6:0] late = 0;
  wire sent = s_valid & s_ready;

  always @(posedge clk) begin
    first <= 0;
    if (first) assume (rst);
    else assume (!rst);
    // The source keeps a beat that is not taken.
    if (was_offered) assume (s_valid & s_data == offered & s_last == offered_last);
    was_offered <= s_valid & !s_ready & !rst;
    offered <= s_data;
    offered_last <= s_last;
    if (!rst) begin
      // An image is complete with its last beat, or with an early tlast; the rest is excess.
      if (sent) begin
        beat <= s_last ? 0 : beat + (beat != BEATS);
        if ((s_last & beat < BEATS) | (beat == BEATS - 1)) images <= images + 1;
      end
      if (m_valid & m_ready) answers <= answers + 1;
      if (m_valid) assert (images != answers);
      if (m_valid) assert (m_last & m_data[31:ZEROS] == 0);
      late <= (images != answers & !m_valid) ? late + 1 : 0;
      assert (late < LATENCY);
      was_held <= m_valid & !m_ready;
      held <= m_data;
      if (was_held) assert (m_valid & m_data == held);
    end
  end
endmodule
