// Behaviour of Gowin's block RAM as `synth_gowin` uses it, after Gowin UG285 (BSRAM and SSRAM user
// guide): synchronous read without the output register, first word in the lowest bits of INIT_RAM.
// yosys' own models of these cells are empty.
`define INIT_RAM(W) \
  parameter [W-1:0] \
    INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0, INIT_RAM_04 = 0, INIT_RAM_05 = 0, \
    INIT_RAM_06 = 0, INIT_RAM_07 = 0, INIT_RAM_08 = 0, INIT_RAM_09 = 0, INIT_RAM_0A = 0, INIT_RAM_0B = 0, \
    INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0, INIT_RAM_0F = 0, INIT_RAM_10 = 0, INIT_RAM_11 = 0, \
    INIT_RAM_12 = 0, INIT_RAM_13 = 0, INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, INIT_RAM_17 = 0, \
    INIT_RAM_18 = 0, INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0, INIT_RAM_1C = 0, INIT_RAM_1D = 0, \
    INIT_RAM_1E = 0, INIT_RAM_1F = 0, INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0, INIT_RAM_23 = 0, \
    INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0, INIT_RAM_28 = 0, INIT_RAM_29 = 0, \
    INIT_RAM_2A = 0, INIT_RAM_2B = 0, INIT_RAM_2C = 0, INIT_RAM_2D = 0, INIT_RAM_2E = 0, INIT_RAM_2F = 0, \
    INIT_RAM_30 = 0, INIT_RAM_31 = 0, INIT_RAM_32 = 0, INIT_RAM_33 = 0, INIT_RAM_34 = 0, INIT_RAM_35 = 0, \
    INIT_RAM_36 = 0, INIT_RAM_37 = 0, INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, INIT_RAM_3B = 0, \
    INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0; \
  localparam [64*W-1:0] CONTENTS = { \
    INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38, \
    INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30, \
    INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28, \
    INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20, \
    INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18, \
    INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10, \
    INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08, \
    INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00};

// An address counts single bits of 16384; the lowest bits of a wide word's address enable its bytes
// when written. A ninth bit, where there is one, belongs to each byte.
`define BLOCK_RAM(NAME, DATA, INIT, WIDEST) \
module NAME (output [DATA-1:0] DO, input [DATA-1:0] DI, input [2:0] BLKSEL, input [13:0] AD, \
             input WRE, CLK, CE, OCE, RESET); \
  parameter READ_MODE = 0, WRITE_MODE = 0, BIT_WIDTH = WIDEST, BLK_SEL = 0, RESET_MODE = "SYNC"; \
  `INIT_RAM(INIT) \
  localparam WORDS = 64 * INIT / BIT_WIDTH, SHIFT = 14 - $clog2(WORDS); \
  reg [BIT_WIDTH-1:0] memory [0:WORDS-1], row; \
  integer i; \
  initial for (i = 0; i < WORDS; i = i + 1) memory[i] = CONTENTS[i*BIT_WIDTH +: BIT_WIDTH]; \
  always @(posedge CLK) if (CE) begin \
    if (RESET) row <= 0; else if (!WRE) row <= memory[AD >> SHIFT]; \
    if (WRE) memory[AD >> SHIFT] <= DI[BIT_WIDTH-1:0]; \
  end \
  assign DO = row; \
endmodule

`define DUAL_BLOCK_RAM(NAME, DATA, INIT) \
module NAME (output [DATA-1:0] DOA, DOB, input [DATA-1:0] DIA, DIB, input [2:0] BLKSELA, BLKSELB, \
             input [13:0] ADA, ADB, input CLKA, CEA, OCEA, RESETA, WREA, \
             input CLKB, CEB, OCEB, RESETB, WREB); \
  parameter READ_MODE0 = 0, READ_MODE1 = 0, WRITE_MODE0 = 0, WRITE_MODE1 = 0; \
  parameter BIT_WIDTH_0 = DATA, BIT_WIDTH_1 = DATA, BLK_SEL_0 = 0, BLK_SEL_1 = 0; \
  parameter RESET_MODE = "SYNC"; \
  `INIT_RAM(INIT) \
  localparam WORDS = 64 * INIT / BIT_WIDTH_0, SHIFT = 14 - $clog2(WORDS); \
  reg [BIT_WIDTH_0-1:0] memory [0:WORDS-1], row_a, row_b; \
  integer i; \
  initial begin \
    if (BIT_WIDTH_0 != BIT_WIDTH_1) $fatal(1, "two widths are not modelled"); \
    for (i = 0; i < WORDS; i = i + 1) memory[i] = CONTENTS[i*BIT_WIDTH_0 +: BIT_WIDTH_0]; \
  end \
  always @(posedge CLKA) if (CEA) begin \
    if (RESETA) row_a <= 0; else if (!WREA) row_a <= memory[ADA >> SHIFT]; \
    if (WREA) memory[ADA >> SHIFT] <= DIA[BIT_WIDTH_0-1:0]; \
  end \
  always @(posedge CLKB) if (CEB) begin \
    if (RESETB) row_b <= 0; else if (!WREB) row_b <= memory[ADB >> SHIFT]; \
    if (WREB) memory[ADB >> SHIFT] <= DIB[BIT_WIDTH_0-1:0]; \
  end \
  assign DOA = row_a; \
  assign DOB = row_b; \
endmodule

`BLOCK_RAM(SP, 32, 256, 32)
`BLOCK_RAM(SPX9, 36, 288, 36)
`DUAL_BLOCK_RAM(DPB, 16, 256)
`DUAL_BLOCK_RAM(DPX9B, 18, 288)
