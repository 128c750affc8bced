// A queue: what goes in comes out, once, in order; an item offered stays; nothing waits for ever.
module stream_queue #(parameter WIDTH = 3, DEPTH = 4, RESERVE = 1) (
  input wire clk,
  input wire rst,
  input wire [WIDTH-1:0] i_payload,
  input wire i_valid,
  input wire o_ready
);
  wire [WIDTH-1:0] o_payload;
  wire i_ready, o_valid, has_room;
  dut block (
    .clk(clk), .rst(rst), .i__payload(i_payload), .i__valid(i_valid), .i__ready(i_ready),
    .o__payload(o_payload), .o__valid(o_valid), .o__ready(o_ready), .has_room(has_room)
  );

  (* anyconst *) wire [3:0] chosen;  // any item: proven for one, proven for all
  reg [3:0] taken = 0, given = 0;
  reg [WIDTH-1:0] expected;
  reg [1:0] hidden = 0;  // cycles that an item is inside and not offered
  reg first = 1, was_held = 0;
  reg [WIDTH-1:0] held;
  wire [3:0] inside = taken - given;

  always @(posedge clk) begin
    first <= 0;
    if (first) assume (rst);
    else assume (!rst);
    if (!rst) begin
      if (i_valid & i_ready) begin
        taken <= taken + 1;
        if (taken == chosen) expected <= i_payload;
      end
      if (o_valid & o_ready) begin
        given <= given + 1;
        assert (inside != 0);
        if (given == chosen) assert (o_payload == expected);
      end
      assert (inside <= DEPTH);
      assert (i_ready | inside == DEPTH);
      // Room is promised for RESERVE items that come whether or not ready is high.
      if (has_room) assert (inside + RESERVE <= DEPTH);
      hidden <= (inside != 0 & !o_valid) ? hidden + 1 : 0;
      assert (hidden < 2);
      was_held <= o_valid & !o_ready;
      held <= o_payload;
      if (was_held) assert (o_valid & o_payload == held);
    end
  end
endmodule
