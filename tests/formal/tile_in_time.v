// The loader of tiles alone: the next tile is missing for LATE cycles at most, and stays until it is not
// needed any more, whatever the memory says, errors too, as long as it never waits longer than PATIENCE
// cycles and ends its bursts where it should.
module tile_in_time #(parameter BUS = 16, FILL = 21, PATIENCE = 0, LATE = 4) (
  input wire clk,
  input wire rst,
  input wire ends,
  input wire arready,
  input wire [BUS-1:0] rdata,
  input wire [1:0] rresp,
  input wire rvalid
);
  wire there, bad, arvalid, rready;
  wire [31:0] araddr;
  wire [7:0] arlen;
  wire [2:0] arsize;
  wire [1:0] arburst;
  wire [FILL-1:0] fill;
  reg [8:0] owed = 0;  // beats of the burst that was asked for
  dut block (
    .clk(clk), .rst(rst), .there(there), .bad(bad), .ends(ends), .fill(fill),
    .araddr(araddr), .arlen(arlen), .arsize(arsize), .arburst(arburst),
    .arvalid(arvalid), .arready(arready), .rdata(rdata), .rresp(rresp),
    .rlast(owed == 1), .rvalid(rvalid), .rready(rready)
  );

  reg first = 1, was_there = 0;
  reg [3:0] memory_late = 0;
  reg [5:0] late = 0;
  wire asks = arvalid & arready, given = rvalid & rready;

  always @(posedge clk) begin
    first <= 0;
    assume (rst == first);
    // The memory takes one burst after the other.
    assume (!rvalid | owed != 0);
    assume (!arready | owed == 0);
    assume (memory_late <= PATIENCE);
    assume (!ends | there);
    if (!rst) begin
      memory_late <= (arvalid | owed != 0) & !asks & !given ? memory_late + 1 : 0;
      owed <= asks ? arlen + 1 : owed - given;
      late <= there ? 0 : late + 1;
      assert (late <= LATE);
      was_there <= there & !ends;
      if (was_there) assert (there);
    end
  end
endmodule
