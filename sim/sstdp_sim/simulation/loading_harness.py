"""What the harness has besides where weights are loaded: it plays images of the memories, too.

They come from a file of their own, a record for every word, beside the packets and independent of
them. An image of the memories is offered once so many packets have been taken from their file. With
``waits`` also all of them must have been answered; and, as before the first packet always, no
packet is taken while an image of the memories is due or no right one has arrived. One that a reset
cuts off, or that has not been judged then, is offered again from its beginning, because hardware
that has lost a part refuses the rest.
"""

from __future__ import annotations

LOADS_FILE = "loads.bin"
#: In place of an answer: a load has flipped its bit, by the number of its first record, and when;
#: behind it when it was offered; or it was refused, and why.
LOADED, OFFERED, REFUSED = -3, -4, -5
RECORD_BYTES = 9  # when it is due, whether tlast is set, the word

_INPUTS = """\
  input  wire [31:0] loads,  // records
  input  wire waits,
  input  wire [31:0] patched_word,  // of every image of the memories: what is flipped in it
  input  wire [31:0] patch,
  input  wire [31:0] crc_patch,
"""
_DECLARATIONS = """\
  integer loads_file;
  reg  [71:0] w_record;
  reg  [31:0] w_next;  // records that were read
  reg  [31:0] w_begin;  // first record of the present image of the memories
  reg  [31:0] w_done;  // and of the one whose last word was sent
  reg  [31:0] w_place;  // of the word in it
  reg  [31:0] w_due;
  reg  [31:0] w_data;
  reg  w_last;
  reg  w_held;
  reg  w_valid;
  reg  w_unjudged;
  reg  [63:0] w_offered, w_offered_done;
  reg  w_flip;
  reg  [15:0] w_ended;
  wire w_ready;
  wire [31:0] w_status;
  wire w_sent = w_valid & w_ready;
  wire w_keeps = w_held & !w_sent;
  wire w_more = w_next != loads;
  wire [31:0] taken = packets - packets_left;
  // Packets that have gone so far that a load behind them may be offered, and one.
  wire [31:0] w_reached = taken + (!waits | (beats_left == 0) & (begun == answered));
  wire w_pending = w_held ? (w_due <= taken) : w_more;
  wire w_busy = (waits | (taken == 0)) & (w_pending | w_status[1] | !w_status[0]);
  wire [31:0] w_word = w_data ^ (w_place == patched_word ? patch : 0) ^ (w_last ? crc_patch : 0);
"""
_OPEN = f'    loads_file = $fopen("{LOADS_FILE}", "rb");\n'
_RESET = """\
      got = $fseek(loads_file, 0, 0);
      w_next <= 0;
      w_begin <= 0;
      w_done <= 0;
      w_place <= 0;
      w_due <= 0;
      w_last <= 0;
      w_held <= 0;
      w_valid <= 0;
      w_unjudged <= 0;
      w_offered <= 0;
      w_offered_done <= 0;
      w_flip <= w_status[2];
      w_ended <= 0;
"""
_STEP = f"""\
      if (!w_keeps & w_more) begin
        got = $fread(w_record, loads_file);
        if (got != {RECORD_BYTES}) begin
          $display("error: {LOADS_FILE} is too short");
          $finish;
        end
        w_due <= w_record[71:40];
        w_last <= w_record[32];
        w_data <= w_record[31:0];
        w_next <= w_next + 1;
        w_place <= w_held & !w_last ? w_place + 1 : 0;
        if (!w_held | w_last) w_begin <= w_next;
      end
      w_held <= w_keeps | w_more;
      w_valid <= (w_valid & !w_ready)
        | ((w_keeps ? w_due < w_reached : w_more & (w_record[71:40] < w_reached))
          & (noise[31:24] >= gap_chance));
      if (!w_valid) w_offered <= cycle + 1;
      if (w_sent & w_last) begin
        w_unjudged <= 1;
        w_done <= w_begin;
        w_offered <= cycle + 1;
      end
      if (w_sent & (w_place == 0)) w_offered_done <= w_offered;
      w_flip <= w_status[2];
      if (w_status[2] != w_flip) begin
        $fwrite(answers_file, "{LOADED} %0d %0d\\n", w_done, cycle);
        $fwrite(answers_file, "{OFFERED} %0d 0\\n", w_offered_done);
      end
      w_ended <= w_status[31:16];
      if (resetting == 0 & w_status[31:16] != w_ended) begin
        w_unjudged <= 0;
        if (w_status[7:4] != 0)
          $fwrite(answers_file, "{REFUSED} %0d %0d\\n", w_done, w_status[7:4]);
      end
      if (reset_now) begin
        w_next <= w_unjudged ? w_done : w_begin;
        got = $fseek(loads_file, {RECORD_BYTES} * (w_unjudged ? w_done : w_begin), 0);
        w_held <= 0;
        w_valid <= 0;
        w_unjudged <= 0;
      end
"""
_PORTS = """,
    .s_axis_weights_tdata(w_word),
    .s_axis_weights_tvalid(w_valid),
    .s_axis_weights_tready(w_ready),
    .s_axis_weights_tlast(w_last),
    .weights_status(w_status)"""

_PLACES = (
    "loading_inputs", "unless_loading", "loading_declarations", "open_loads", "loading_reset",
    "loading_step", "loading_ports",
)  # fmt: skip


def loading_places(loaded: bool) -> dict[str, str]:
    """What goes into the places of the harness' template; nothing if weights are constants."""
    texts = (_INPUTS, " & !w_busy", _DECLARATIONS, _OPEN, _RESET, _STEP, _PORTS)
    return dict(zip(_PLACES, texts if loaded else [""] * len(_PLACES), strict=True))
