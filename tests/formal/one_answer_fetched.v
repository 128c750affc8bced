// A whole accelerator whose weights come from a memory: as one_answer, whatever the memory says, errors
// too, as long as it never waits longer than PATIENCE cycles and ends its bursts where it should.
module one_answer_fetched #(parameter WIDTH = 8, BEATS = 1, LATENCY = 31, BUS = 16, PATIENCE = 1) (
  input wire clk,
  input wire rst,
  input wire [WIDTH-1:0] s_data,
  input wire s_valid,
  input wire s_last,
  input wire m_ready,
  input wire arready,
  input wire [BUS-1:0] rdata,
  input wire [1:0] rresp,
  input wire rvalid
);
  wire s_ready, m_valid, m_last, arvalid, rready;
  wire [31:0] m_data, araddr;
  wire [7:0] arlen;
  wire [2:0] arsize;
  wire [1:0] arburst;
  reg [8:0] owed = 0;  // beats of the burst that was asked for
  accelerator block (
    .aclk(clk), .aresetn(!rst), .s_axis_tdata(s_data), .s_axis_tvalid(s_valid),
    .s_axis_tready(s_ready), .s_axis_tlast(s_last), .m_axis_tdata(m_data),
    .m_axis_tvalid(m_valid), .m_axis_tready(m_ready), .m_axis_tlast(m_last),
    .m_axi_araddr(araddr), .m_axi_arlen(arlen), .m_axi_arsize(arsize), .m_axi_arburst(arburst),
    .m_axi_arvalid(arvalid), .m_axi_arready(arready), .m_axi_rdata(rdata), .m_axi_rresp(rresp),
    .m_axi_rlast(owed == 1), .m_axi_rvalid(rvalid), .m_axi_rready(rready)
  );

  reg first = 1, was_held = 0, was_offered = 0, offered_last;
  reg [WIDTH-1:0] offered;
  reg [31:0] held;
  reg [4:0] beat = 0, images = 0, answers = 0;
  reg [6:0] late = 0;
  reg [3:0] memory_late = 0;
  wire sent = s_valid & s_ready;
  wire asks = arvalid & arready, given = rvalid & rready;

  always @(posedge clk) begin
    first <= 0;
    if (first) assume (rst);
    else assume (!rst);
    // The source keeps a beat that is not taken.
    if (was_offered) assume (s_valid & s_data == offered & s_last == offered_last);
    was_offered <= s_valid & !s_ready & !rst;
    offered <= s_data;
    offered_last <= s_last;
    // The memory takes one burst after the other.
    assume (!rvalid | owed != 0);
    assume (!arready | owed == 0);
    assume (memory_late <= PATIENCE);
    if (!rst) begin
      memory_late <= (arvalid | owed != 0) & !asks & !given ? memory_late + 1 : 0;
      owed <= asks ? arlen + 1 : owed - given;
      if (sent) begin
        beat <= s_last ? 0 : beat + (beat != BEATS);
        if ((s_last & beat < BEATS) | (beat == BEATS - 1)) images <= images + 1;
      end
      if (m_valid & m_ready) answers <= answers + 1;
      if (m_valid) assert (images != answers);
      if (m_valid) assert (m_last & m_data[31:20] == 0);
      late <= (images != answers & !m_valid) ? late + 1 : 0;
      assert (late < LATENCY);
      was_held <= m_valid & !m_ready;
      held <= m_data;
      if (was_held) assert (m_valid & m_data == held);
    end
  end
endmodule
