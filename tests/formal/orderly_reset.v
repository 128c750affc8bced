// A read master of AXI that is reset at any time: no address is withdrawn, the reset ends when the
// memory owes nothing, and what is told then is what stood there when it was asked for. NEVER says
// that no reset ever ends that has found an address or beats, which is wrong.
module orderly_reset #(parameter MOST = 4, NEVER = 0) (
  input wire clk,
  input wire rst,
  input wire begins,
  input wire fetches,
  input wire [31:0] base,
  input wire arready,
  input wire rvalid
);
  wire arvalid, resets, holds, stopped, owed;
  wire [31:0] araddr, told;
  wire [7:0] arlen;
  dut block (
    .clk(clk), .rst(rst), .begins(begins), .fetches(fetches), .base(base), .arready(arready),
    .rvalid(rvalid), .arvalid(arvalid), .araddr(araddr), .arlen(arlen), .resets(resets),
    .holds(holds), .stopped(stopped), .owed(owed), .told(told)
  );

  reg [3:0] owes = 0;  // beats
  reg first = 1, was_held = 0, was_reset = 0, begun = 0, asked = 0, found = 0;
  reg [31:0] held_address, last_base;
  reg [7:0] held_length;

  always @(posedge clk) begin
    first <= 0;
    if (first) assume (rst);
    else assume (!rst);
    if (!rst) begin
      assume (!rvalid | owes != 0);  // all that is assumed of the memory
      owes <= owes + (arvalid & arready ? arlen + 1 : 0) - rvalid;
      assert (owes <= MOST);

      was_held <= arvalid & !arready;
      held_address <= araddr;
      held_length <= arlen;
      if (was_held) assert (arvalid & araddr == held_address & arlen == held_length);

      // From the beginning, and from each begins on, until a reset has ended.
      was_reset <= resets;
      if (was_reset & !resets) assert (owes == 0 & told == last_base);
      if (begins) begin
        begun <= 1;
        last_base <= base;
      end
      if (begins & arvalid & !arready & owes > 1) found <= 1;
      if (NEVER != 0 & found & was_reset) assert (resets);
      asked <= begins | (asked & !(was_reset & !resets));
      assert (stopped == !begun);
      if (!begun) assert (resets & !arvalid);
      if (asked & !(was_reset & !resets)) assert (holds & owed);
      else if (begun) assert (!holds & !owed);
    end
  end
endmodule
