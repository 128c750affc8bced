// A memory behind the read channels of AXI4, for simulation. The first beat of a burst comes
// `latency` cycles and one after its address was taken, or behind the burst before; then a beat
// every cycle. Addresses and beats wait a cycle more with a chance of `stalls` in 256. Of a chance
// of `faults` in 256 a burst is a wrong one: SLVERR or DECERR in its last beat, SLVERR in its first, a
// pause before its last beat that is longer than the accelerator waits, or, of one in 64 of these,
// the wrong `rlast` in its first beat. A burst of another kind than INCR, or of narrower beats, gets
// DECERR.
module @{module} (
  input  wire clk,
  input  wire rst_n,  // of the bus
  input  wire begin_n,  // of the random numbers
  input  wire [31:0] latency,
  input  wire [7:0] stalls,
  input  wire [7:0] faults,
  input  wire [31:0] seed,
  input  wire [31:0] araddr,
  input  wire [7:0] arlen,
  input  wire [2:0] arsize,
  input  wire [1:0] arburst,
  input  wire arvalid,
  output wire arready,
  output wire [@{width}-1:0] rdata,
  output wire [1:0] rresp,
  output wire rlast,
  output wire rvalid,
  input  wire rready
);
  localparam PAUSE = @{pause};
  reg  [@{width}-1:0] words [0:@{words}-1];
  reg  [31:0] now;
  // Bursts that were asked for, in a ring.
  reg  [31:0] place [0:3];
  reg  [7:0] length [0:3];
  reg  [31:0] due [0:3];
  reg  [2:0] fault [0:3];
  reg  [2:0] asked, given;
  reg  [7:0] beat;
  reg  [31:0] pause_left;
  reg  late_address, late_beat;
  reg  [31:0] noise;
  wire [31:0] noise_1 = noise ^ (noise << 13);
  wire [31:0] noise_2 = noise_1 ^ (noise_1 >> 17);
  wire [31:0] noise_3 = noise_2 ^ (noise_2 << 5);
  wire [1:0] head = given[1:0], tail = asked[1:0];
  wire [2:0] waiting = asked - given;
  wire last = (beat == length[head]);
  wire pauses = last & (fault[head] == 4) & (pause_left != 0);
  wire [31:0] word = place[head] + {24'd0, beat};
  wire takes = arvalid & arready;
  wire gives = rvalid & rready;
  assign arready = (waiting != 4) & !late_address;
  // Modulo 2^32: `now` may wrap.
  wire begun = ($signed(now - due[head]) >= 0);
  assign rvalid = (waiting != 0) & begun & !late_beat & !pauses;
  assign rdata = (word < @{words}) ? words[word] : {@{width}{1'b0}};
  assign rresp = (fault[head] == 3) & (beat == 0) ? 2'd2 : !last ? 2'd0
    : (fault[head] == 1) ? 2'd2 : (fault[head] == 2) ? 2'd3 : 2'd0;
  assign rlast = last ^ ((fault[head] == 5) & (beat == 0));
@{contents}
  always @(posedge clk) begin
    noise <= begin_n ? noise_3 : (seed << 1) ^ 32'h5bd1e995;  // never 0
    now <= begin_n ? now + 1 : 0;
    late_address <= noise[7:0] < stalls;
    late_beat <= noise[15:8] < stalls;
    if (!rst_n) begin
      asked <= 0;
      given <= 0;
      beat <= 0;
      pause_left <= PAUSE;
      late_address <= 0;
      late_beat <= 0;
    end else begin
      if (takes) begin
        place[tail] <= (araddr - 32'd@{base}) >> @{shift};
        length[tail] <= arlen;
        due[tail] <= now + 1 + latency;
        fault[tail] <= (arburst != 1) | (arsize != @{shift}) ? 3'd2
          : (noise[23:16] >= faults) ? 3'd0 : (noise[31:26] == 0) ? 3'd5 : noise[25:24] + 3'd1;
        asked <= asked + 1;
      end
      if (gives) begin
        beat <= last ? 0 : beat + 1;
        if (last) given <= given + 1;
      end
      pause_left <= pauses & (waiting != 0) ? pause_left - 1 : pause_left;
      if (gives) pause_left <= PAUSE;
    end
  end
endmodule
