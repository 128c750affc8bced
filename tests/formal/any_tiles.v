// In place of a loader of tiles: the next tile, whatever it holds, is missing for LATE cycles at most.
module any_tiles #(parameter FILL = 21, LATE = 4) (
  input wire aclk,
  input wire rst,
  input wire ends,
  output reg there,
  output reg bad,
  output wire [FILL-1:0] fill
);
  (* anyseq *) reg comes, fails;
  (* anyseq *) reg [FILL-1:0] filled;
  reg [5:0] late = 0;
  initial there = 0;
  initial bad = 0;
  assign fill = filled;
  always @(posedge aclk) begin
    assume (late <= LATE);
    if (rst) begin
      there <= 0;
      late <= 0;
    end else begin
      late <= there ? 0 : late + 1;
      if (!there | ends) begin
        there <= comes;
        bad <= fails;
      end
    end
  end
endmodule
