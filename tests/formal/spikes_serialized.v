// A serializer: every fired lane becomes one event, in order; a closed step is emitted in time.
module spikes_serialized #(parameter LANES = 3, INDEX = 3, STEP = 2, LATENCY = 7) (
  input wire clk,
  input wire rst,
  input wire [LANES+INDEX+STEP+4:0] i_payload,
  input wire i_valid,
  input wire o_ready
);
  localparam EVENT = INDEX + STEP + 5;
  wire [EVENT-1:0] o_payload;
  wire i_ready, o_valid;
  dut block (
    .clk(clk), .rst(rst), .i__payload(i_payload), .i__valid(i_valid), .i__ready(i_ready),
    .o__payload(o_payload), .o__valid(o_valid), .o__ready(o_ready), .oldest(3'd0)
  );
  wire [2:0] tag = i_payload[2:0];
  wire final = i_payload[3], close = i_payload[4];
  wire [STEP-1:0] step = i_payload[5 +: STEP];
  wire [INDEX-1:0] base = i_payload[5+STEP +: INDEX];
  wire [LANES-1:0] fired = i_payload[5+STEP+INDEX +: LANES];
  wire o_end = o_payload[3], o_last = o_payload[4];

  function [3:0] ones(input [LANES-1:0] bits);
    integer lane;
    begin
      ones = 0;
      for (lane = 0; lane < LANES; lane = lane + 1) ones = ones + bits[lane];
    end
  endfunction

  (* anyconst *) wire [4:0] group;  // any group, and any lane of it
  (* anyconst *) wire [1:0] lane;
  reg [4:0] groups = 0;
  reg [5:0] asked = 0, given = 0, place, closes = 0, lasts = 0;
  reg watched = 0, open = 0, first = 1, was_held = 0;
  reg [EVENT-1:0] wanted, held;
  reg [5:0] late = 0;
  wire [5:0] added = final ? 1 : ones(fired);
  wire [5:0] below = ones(fired & ((1 << lane) - 1));

  always @(posedge clk) begin
    first <= 0;
    if (first) assume (rst);
    else assume (!rst);
    assume (tag == 0);
    assume (lane < LANES);
    // As a layer sends them: the end of an image is alone, and no step is left open before it.
    if (final) assume (fired == 0 & !close & !open);
    if (fired == 0) assume (final | (close & open));
    if (!rst) begin
      if (i_valid & i_ready) begin
        groups <= groups + 1;
        asked <= asked + added;
        closes <= closes + close;
        open <= final ? 0 : close ? 0 : open | fired != 0;
        if (groups == group & !final & fired[lane]) begin
          watched <= 1;
          place <= asked + below;
          wanted <= {base + lane, step, close & (fired >> (lane + 1)) == 0, 1'b0, tag};
        end
      end
      if (o_valid & o_ready) begin
        given <= given + 1;
        lasts <= lasts + o_last;
        assert (given < asked);
        assert (!(o_end & o_last));
        if (watched & given == place) begin
          // `last` may also be set by a later group that closes the step without a spike.
          assert (o_payload[3:0] == wanted[3:0] & o_payload[EVENT-1:5] == wanted[EVENT-1:5]);
          assert (o_payload[4] | !wanted[4]);
        end
      end
      assert (lasts <= closes);
      late <= (!open & asked != given & !o_valid) ? late + 1 : 0;
      assert (late < LATENCY);
      if (!open & asked == given) assert (lasts == closes);
      was_held <= o_valid & !o_ready;
      held <= o_payload;
      if (was_held) assert (o_valid & o_payload == held);
    end
  end
endmodule
