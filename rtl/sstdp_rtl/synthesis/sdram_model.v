// An SDRAM for the simulated board: 4 banks of 8192 rows of 512 words, bursts of one word. A rule of
// the chip that is broken is named by `rule`, and ends the simulation with a line on stderr. Written from the command
// truth table and the AC characteristics of Winbond W9825G6, Alliance AS4C16M16SA and ISSI
// IS42S16160. Times are ps, taken at edges of `clk`.
module sdram_model #(
  parameter PERIOD = 0,
  parameter T_RCD = 0, T_RP = 0, T_RAS = 0, T_RC = 0, T_RFC = 0, T_RRD = 0, T_WR = 0, T_MRD = 0,
  parameter POWER_UP = 0, REFRESH = 0, ROWS = 0,
  parameter CONTENTS = "",  // file of words in hexadecimal, by row, bank and column; may be none
  parameter ENDS = 1,  // 0: a broken rule is only named
  parameter KEPT_BITS = 24  // of the place of a word; with less, words are kept over others
) (
  input wire clk, clk_en, cs, ras, cas, we,  // high where active
  input wire [1:0] ba, dqm,
  input wire [12:0] a,
  input wire [15:0] dq_in,
  input wire dq_driven,
  output reg [15:0] dq_out,
  output reg [8*24-1:0] rule  // the first one broken; 0: none
);
  localparam [63:0] LATEST = 64'd100_000_000;  // that a row may be open
  reg [15:0] words [0:(1 << KEPT_BITS) - 1];
  reg [63:0] now, activated, refreshed, moded;
  reg [63:0] opened [0:3], closed [0:3], written [0:3];
  reg [3:0] open, was_opened, was_closed, was_written;
  reg [12:0] row [0:3];
  reg any_opened, any_refreshed, mode_set, all_closed;
  reg [3:0] before_mode;
  reg [63:0] refreshes;  // since the mode is set
  reg [63:0] times [0:ROWS-1];  // of the last of them
  reg [15:0] coming;  // read at the edge before
  reg coming_valid, out_valid;
  integer bank;

  task broken(input [8*24-1:0] name);
    if (rule == 0) begin
      rule = name;
      if (ENDS) begin
        $fdisplay(32'h8000_0002, "SDRAM: rule broken after %0d ps: %0s", now, name);
        $finish;
      end
    end
  endtask

  initial begin
    if (CONTENTS != "") $readmemh(CONTENTS, words);
    now = 0; open = 0; was_opened = 0; was_closed = 0; was_written = 0; any_opened = 0;
    any_refreshed = 0; mode_set = 0; all_closed = 0; before_mode = 0; refreshes = 0;
    coming_valid = 0; out_valid = 0; rule = 0; dq_out = 16'hBAD0; activated = 0; refreshed = 0; moded = 0;
  end

  wire [2:0] command = {ras, cas, we} & {3{cs & clk_en}};
  wire [23:0] whole = {row[ba], ba, a[8:0]};
  wire [KEPT_BITS-1:0] place = whole[KEPT_BITS-1:0];
  wire [63:0] oldest = times[refreshes % ROWS];
  always @(posedge clk) begin
    coming_valid <= 0;
    out_valid <= coming_valid;
    dq_out <= coming_valid ? coming : 16'hBAD0;
    if (dq_driven & out_valid) broken("contention");
    if (command != 3'b000) begin
      if (now < POWER_UP) broken("power up");
      if (any_refreshed & (now - refreshed < T_RFC)) broken("tRFC");
      if (mode_set & ((now - moded < T_MRD) | (now - moded < 2 * PERIOD))) broken("tMRD");
    end
    case (command)
      3'b000: ;
      3'b100: begin  // activate
        if (!mode_set) broken("mode before use");
        if (open[ba]) broken("one row a bank");
        if (was_closed[ba] & (now - closed[ba] < T_RP)) broken("tRP");
        if (was_opened[ba] & (now - opened[ba] < T_RC)) broken("tRC");
        if (any_opened & ((now - activated < T_RRD) | (now - activated < 2 * PERIOD)))
          broken("tRRD");
        open[ba] <= 1; was_opened[ba] <= 1; any_opened <= 1;
        row[ba] <= a; opened[ba] <= now; activated <= now;
      end
      3'b010, 3'b011: begin  // read, write
        if (!open[ba]) broken("row open");
        if (a[10]) broken("no auto precharge");
        if (a[12:11] != 0 | a[9]) broken("column");
        if (now - opened[ba] < T_RCD) broken("tRCD");
        if (we) begin
          if (!dq_driven) broken("data with the write");
          if (dqm == 0) words[place] <= dq_in;
          written[ba] <= now; was_written[ba] <= 1;
        end else begin
          if (dqm != 0) broken("mask");
          coming <= words[place];
          coming_valid <= 1;
        end
      end
      3'b101: begin  // precharge
        for (bank = 0; bank < 4; bank = bank + 1)
          if (a[10] | (ba == bank)) begin
            if (open[bank] & (now - opened[bank] < T_RAS)) broken("tRAS");
            if (open[bank] & was_written[bank]
                & ((now - written[bank] < T_WR) | (now - written[bank] < 2 * PERIOD)))
              broken("tWR");
            open[bank] <= 0; was_closed[bank] <= 1; closed[bank] <= now;
          end
        if (a[10]) all_closed <= 1;
      end
      3'b110: begin  // refresh
        if (open != 0) broken("closed before");
        if (!all_closed) broken("precharge first");
        for (bank = 0; bank < 4; bank = bank + 1) begin
          if (was_closed[bank] & (now - closed[bank] < T_RP)) broken("tRP");
          if (was_opened[bank] & (now - opened[bank] < T_RC)) broken("tRC");
        end
        any_refreshed <= 1; refreshed <= now;
        if (mode_set) begin
          times[refreshes % ROWS] <= now;
          refreshes <= refreshes + 1;
        end else if (before_mode != 15) before_mode <= before_mode + 1;
      end
      3'b111: begin  // mode
        if (open != 0) broken("closed before");
        for (bank = 0; bank < 4; bank = bank + 1)
          if (was_closed[bank] & (now - closed[bank] < T_RP)) broken("tRP");
        if (before_mode < 8) broken("8 refreshes");
        if ({ba, a} != 15'h0020) broken("mode");
        mode_set <= 1; moded <= now;
      end
      default: broken("no burst to end");
    endcase
    for (bank = 0; bank < 4; bank = bank + 1)
      if (open[bank] & (now - opened[bank] > LATEST)) broken("tRAS max");
    if (refreshes >= ROWS) begin
      if (now - oldest > REFRESH) broken("refresh");
    end else if (mode_set & ((now - moded) > (refreshes + 1) * (REFRESH / ROWS))) broken("refresh");
    now <= now + PERIOD;
  end
endmodule
