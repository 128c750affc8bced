// A splitter: every fired lane appears in one piece, in order, at its place.
module groups_split #(parameter LANES = 20, INDEX = 6, STEP = 1, LATENCY = 7) (
  input wire clk,
  input wire rst,
  input wire [LANES+INDEX+STEP+4:0] i_payload,
  input wire i_valid,
  input wire o_ready
);
  localparam PIECE = 16, ITEM = PIECE + INDEX + STEP + 5;
  wire [ITEM-1:0] o_payload;
  wire i_ready, o_valid;
  dut block (
    .clk(clk), .rst(rst), .i__payload(i_payload), .i__valid(i_valid), .i__ready(i_ready),
    .o__payload(o_payload), .o__valid(o_valid), .o__ready(o_ready), .oldest(3'd0)
  );
  wire [2:0] tag = i_payload[2:0];
  wire final = i_payload[3], close = i_payload[4];
  wire [INDEX-1:0] base = i_payload[5+STEP +: INDEX];
  wire [LANES-1:0] fired = i_payload[5+STEP+INDEX +: LANES];
  wire [INDEX-1:0] o_base = o_payload[5+STEP +: INDEX];
  wire [PIECE-1:0] o_fired = o_payload[5+STEP+INDEX +: PIECE];

  (* anyconst *) wire [3:0] group;  // any group: what is asked for in it must come out of it
  reg [3:0] taken = 0, whole = 0, ends = 0, o_ends = 0;
  reg watched = 0, first = 1, was_held = 0;
  reg [LANES-1:0] wanted, left;
  reg [INDEX-1:0] wanted_base;
  reg [3:0] before;  // groups with an end before the watched one
  reg [ITEM-1:0] held;
  reg [5:0] late = 0;
  wire end_of = close | final, o_end_of = o_payload[3] | o_payload[4];
  wire [INDEX-1:0] start = o_base - wanted_base;  // 0 or PIECE
  wire mine = watched & o_ends == before;

  always @(posedge clk) begin
    first <= 0;
    if (first) assume (rst);
    else assume (!rst);
    assume (tag == 0);
    assume (base + LANES < 1 << INDEX);
    assume (end_of);  // every group ends something, so that pieces can be told apart
    if (!rst) begin
      if (i_valid & i_ready) begin
        taken <= taken + 1;
        ends <= ends + 1;
        if (taken == group) begin
          watched <= 1;
          wanted <= fired;
          left <= fired;
          wanted_base <= base;
          before <= taken;
        end
      end
      if (o_valid & o_ready) begin
        o_ends <= o_ends + o_end_of;
        assert (ends != o_ends);
        if (mine) begin
          assert (start == 0 | start == PIECE);
          assert (((o_fired << start) & ~left) == 0);
          assert ((o_fired << start) >> LANES == 0);
          left <= left & ~(o_fired << start);
          if (o_end_of) assert ((left & ~(o_fired << start)) == 0);
        end
      end
      late <= (ends != o_ends & !o_valid) ? late + 1 : 0;
      assert (late < LATENCY);
      was_held <= o_valid & !o_ready;
      held <= o_payload;
      if (was_held) assert (o_valid & o_payload == held);
    end
  end
endmodule
