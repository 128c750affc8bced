// Errors of all layers, from the output back. An error belongs to the step in which its neuron is
// looked at (its own step): that of its spike, the last one if it stayed silent. It reaches the
// inputs that had spiked by then; and silent inputs, which have no spike that could be late.
#include <cmath>

#include "layer.h"

namespace normalized {

constexpr int LARGEST = 2047;  // of a rounded error: 16 of them fit into 16 bits
constexpr int TOGETHER = 16;
constexpr int64_t CACHED = 1 << 19;  // bytes

// An error on V by its place among the neurons.
struct Error {
  int32_t place;  // (column * stride) * channels + channel, as `back` is laid out
  float value;
};

// What one thread needs for a few images.
struct Room {
  std::vector<Error> errors;     // of an image: a list for every row and own step, by column
  std::vector<int32_t> start;    // [out_h, t_max, out_w + 1]
  std::vector<int16_t> rounded;  // [images, t_max, rows, columns, out_pitch] within zeros
  std::vector<int32_t> offsets;  // [in_pitch, images * in_h * in_w] of the events of each channel
  std::vector<int32_t*> end;
  std::vector<int32_t> total;    // kernels
};

static int own_step(int time, int t_max) { return time < t_max ? time : t_max - 1; }

// The gate; returns the largest error.
static float gate(const Layer& layer, int image) {
  float* error = layer.errors + image * layer.cells();
  double* drive = layer.drive + int64_t(image) * layer.out_pitch;
  std::fill(drive, drive + layer.out_pitch, 0.0);
  float largest = 0;
  const int64_t count = layer.cells();
  if (!layer.wide) {
    const int16_t* excess = layer.excess + image * count;
    for (int64_t at = 0; at < count; at += layer.out_pitch)
      for (int c = 0; c < layer.out_pitch; c++) {
        float open = 1 - std::abs(float(excess[at + c])) * layer.gate[c];
        error[at + c] *= std::max(open, 0.0f);
      }
  }
  std::vector<float> row(layer.out_pitch);
  for (int64_t at = 0; at < count; at += layer.out_pitch)
    for (int c = 0; c < layer.out_pitch; c++) {
      row[c] += error[at + c];
      error[at + c] *= layer.gain[c];
      largest = std::max(largest, std::abs(error[at + c]));
    }
  for (int c = 0; c < layer.out_pitch; c++) drive[c] = row[c];
  return largest;
}

// The errors of an image: those of a row by own step, and in each list by column and channel.
static void list_errors(const Layer& layer, int image, int t_max, Room& room) {
  const int64_t pitch = layer.out_pitch, of_image = image * layer.cells();
  const size_t most = size_t(layer.out_w) * layer.out_c;
  room.errors.resize(size_t(layer.out_h) * t_max * most);
  room.start.resize(size_t(layer.out_h) * t_max * (layer.out_w + 1));
  std::vector<Error*> end(size_t(layer.pool_h) * t_max);
  auto mark = [&](int y, int x) {
    for (int dy = 0; dy < layer.pool_h; dy++)
      for (int t = 0; t < t_max; t++)
        room.start[(size_t(y + dy) * t_max + t) * (layer.out_w + 1) + x] =
            int32_t(end[dy * t_max + t] - room.errors.data());
  };
  for (int cell_y = 0; cell_y < layer.cells_h(); cell_y++) {
    const int y = cell_y * layer.pool_h;
    for (int dy = 0; dy < layer.pool_h; dy++)
      for (int t = 0; t < t_max; t++)
        end[dy * t_max + t] = &room.errors[(size_t(y + dy) * t_max + t) * most];
    for (int cell_x = 0; cell_x < layer.cells_w(); cell_x++) {
      const int64_t at = of_image + (int64_t(cell_y) * layer.cells_w() + cell_x) * pitch;
      for (int dx = 0; dx < layer.pool_w; dx++) {
        const int x = cell_x * layer.pool_w + dx;
        mark(y, x);
        for (int first = 0; first < pitch; first += LANES) {
          const float* errors = layer.errors + at + first;
          const uint32_t wrong = bits_set(errors);
          if (!wrong) continue;
          const int place = x * layer.stride_w * layer.out_c + first;
          for (int t = 0; t < t_max; t++) {
            uint32_t now = bits_equal(layer.times + at + first, uint8_t(t));
            if (t == t_max - 1) now |= bits_equal(layer.times + at + first, uint8_t(t_max));
            now &= wrong;
            for (int dy = 0; dy < layer.pool_h && now; dy++) {
              uint32_t bits = now;
              if (!layer.wide)
                bits &= bits_equal(layer.winners + at + first, uint8_t(dy * layer.pool_w + dx));
              Error*& next = end[dy * t_max + t];
              for (; bits; bits &= bits - 1) {
                const int c = std::countr_zero(bits);
                *next++ = {place + c, errors[c]};
              }
            }
          }
        }
      }
    }
    for (int x = layer.cells_w() * layer.pool_w; x <= layer.out_w; x++) mark(y, x);
  }
  // Rows that fill no window.
  for (size_t y = size_t(layer.cells_h()) * layer.pool_h; y < size_t(layer.out_h); y++)
    std::fill_n(&room.start[y * t_max * (layer.out_w + 1)], t_max * (layer.out_w + 1), 0);
}

// Errors to VECTORS * HALF channels of one input.
template <int VECTORS>
static void send(const Layer& layer, const Room& room, const uint8_t* times, float* sent, int in_y,
                 int in_x, int first, int t_max) {
  const int32_t silent = layer.wake_silent ? t_max : t_max + 1;
  Half total[VECTORS]{}, kept[VECTORS]{};
  typedef int32_t Mask __attribute__((vector_size(4 * HALF)));
  Mask time[VECTORS];
  for (int i = 0; i < VECTORS; i++)
    time[i] = __builtin_convertvector(load<HalfBytes>(times + first + i * HALF), Mask);
  const int64_t pitch = layer.in_pitch;
  // Positions whose kernel covers this input.
  const int down = in_y + layer.pad_h, across = in_x + layer.pad_w;
  const int from_y = std::max((down - layer.kernel_h + layer.stride_h) / layer.stride_h, 0);
  const int from_x = std::max((across - layer.kernel_w + layer.stride_w) / layer.stride_w, 0);
  const int to_y = std::min(down / layer.stride_h, layer.out_h - 1);
  const int to_x = std::min(across / layer.stride_w, layer.out_w - 1);
  for (int step = t_max - 1; step >= 0; step--) {
    for (int y = from_y; y <= to_y && from_x <= to_x; y++) {
      const float* weight =
          layer.back + first +
          (int64_t(down - y * layer.stride_h) * layer.kernel_w + layer.kernel_w - 1 - across) *
              layer.out_c * pitch;
      const int32_t* starts = &room.start[(size_t(y) * t_max + step) * (layer.out_w + 1)];
      for (int32_t k = starts[from_x]; k < starts[to_x + 1]; k++) {
        const float* of_error = weight + room.errors[k].place * pitch;
        const float value = room.errors[k].value;
        for (int i = 0; i < VECTORS; i++)
          total[i] += value * load<Half>(of_error + i * HALF);
      }
    }
    for (int i = 0; i < VECTORS; i++) {
      Mask takes = time[i] == step;
      kept[i] = Half((takes & Mask(total[i])) | (~takes & Mask(kept[i])));
    }
  }
  for (int i = 0; i < VECTORS; i++) {
    Mask takes = time[i] >= silent;
    store(sent + first + i * HALF, Half((takes & Mask(total[i])) | (~takes & Mask(kept[i]))));
  }
}

static void send_back(const Layer& layer, const Room& room, const uint8_t* times, float* sent,
                      int t_max) {
  for (int y = 0; y < layer.in_h; y++)
    for (int x = 0; x < layer.in_w; x++) {
      const int64_t at = (int64_t(y) * layer.in_w + x) * layer.in_pitch;
      int first = 0;
      for (; first + 8 * HALF <= layer.in_pitch; first += 8 * HALF)
        send<8>(layer, room, times + at, sent + at, y, x, first, t_max);
      for (; first + 4 * HALF <= layer.in_pitch; first += 4 * HALF)
        send<4>(layer, room, times + at, sent + at, y, x, first, t_max);
      for (; first < layer.in_pitch; first += 2 * HALF)
        send<2>(layer, room, times + at, sent + at, y, x, first, t_max);
    }
}

// Rounded errors by step: in step t those whose own step is t or later, so that a spike of step t
// finds beside it the neurons that it reached in time.
struct Plane {
  int top, left, width;
  int64_t pitch, size;

  explicit Plane(const Layer& layer) {
    top = layer.kernel_h - 1, left = layer.kernel_w - 1;
    const int rows = std::max((layer.out_h - 1) * layer.stride_h + 1, layer.in_h + layer.pad_h);
    const int columns = std::max((layer.out_w - 1) * layer.stride_w + 1, layer.in_w + layer.pad_w);
    width = columns + left;
    pitch = layer.out_pitch;
    size = int64_t(rows + top) * width * pitch;
  }
  int64_t at(int y, int x) const { return (int64_t(y + top) * width + x + left) * pitch; }
};

static void round_errors(const Layer& layer, const Plane& plane, int t_max, float scale,
                         const Room& room, int16_t* rounded) {
  for (int y = 0; y < layer.out_h; y++)
    for (int step = 0; step < t_max; step++) {
      const size_t list = size_t(y) * t_max + step;
      const int32_t first = room.start[list * (layer.out_w + 1)];
      const int32_t last = room.start[list * (layer.out_w + 1) + layer.out_w];
      int16_t* row = rounded + plane.at(y * layer.stride_h, 0);
      for (int32_t k = first; k < last; k++) {
        const Error error = room.errors[k];
        const int16_t value = int16_t(std::lrint(error.value * scale));
        int64_t at = error.place;
        if (layer.out_c < plane.pitch)
          at += error.place / layer.out_c * (plane.pitch - layer.out_c);
        for (int t = step; t >= 0; t--) row[t * plane.size + at] = value;
      }
    }
}

template <int VECTORS>
static void add_rows(const int16_t* rounded, const int32_t* offset, const int32_t* last,
                     int32_t* total) {
  Int sum[VECTORS]{};
  while (offset < last) {
    const int32_t* until = std::min(offset + TOGETHER, last);
    Short part[VECTORS]{};
    for (; offset < until; offset++)
      for (int i = 0; i < VECTORS; i++)
        part[i] += load<Short>(rounded + *offset + i * LANES);
    for (int i = 0; i < VECTORS; i++) sum[i] += __builtin_convertvector(part[i], Int);
  }
  for (int i = 0; i < VECTORS; i++) store(total + i * LANES, load<Int>(total + i * LANES) + sum[i]);
}

// The sum over samples: for every input channel and kernel position the rounded errors beside its
// spikes.
static void add_up(const Layer& layer, const Plane& plane, int images, int t_max,
                   const uint8_t* times, Room& room) {
  const int64_t pitch = layer.out_pitch, of_image = t_max * plane.size;
  // The events of every channel, as offsets of the error at their own position.
  const size_t most = size_t(images) * layer.in_h * layer.in_w;
  room.offsets.resize(layer.in_pitch * most);
  room.end.resize(layer.in_pitch);
  for (int c = 0; c < layer.in_pitch; c++) room.end[c] = &room.offsets[c * most];
  for (int k = 0; k < images; k++)
    for (int y = 0; y < layer.in_h; y++)
      for (int x = 0; x < layer.in_w; x++) {
        const uint8_t* of_pixel =
            times + k * layer.inputs() + (int64_t(y) * layer.in_w + x) * layer.in_pitch;
        const int64_t place = k * of_image + plane.at(y + layer.pad_h, x + layer.pad_w);
        for (int first = 0; first < layer.in_pitch; first += LANES)
          for (uint32_t bits = ~bits_equal(of_pixel + first, uint8_t(t_max)) & 0xffff; bits;
               bits &= bits - 1) {
            const int c = first + std::countr_zero(bits);
            *room.end[c]++ = int32_t(place + of_pixel[c] * plane.size);
          }
      }
  for (int ky = 0; ky < layer.kernel_h; ky++)
    for (int kx = 0; kx < layer.kernel_w; kx++) {
      const int64_t back = (int64_t(ky) * plane.width + kx) * pitch;
      for (int c = 0; c < layer.in_c; c++) {
        const int32_t* offset = &room.offsets[c * most];
        const int32_t* last = room.end[c];
        int32_t* total =
            &room.total[((int64_t(ky) * layer.kernel_w + kx) * layer.in_c + c) * pitch];
        int first = 0;
        for (; first + 4 * LANES <= pitch; first += 4 * LANES)
          add_rows<4>(room.rounded.data() - back + first, offset, last, total + first);
        for (; first < pitch; first += LANES)
          add_rows<1>(room.rounded.data() - back + first, offset, last, total + first);
      }
    }
}

// The same of a layer with one position and a kernel over its whole input.
static void add_up_wide(const Layer& layer, int image, int t_max, const uint8_t* times,
                        float scale, Room& room) {
  const int64_t pitch = layer.out_pitch;
  std::vector<int32_t> rounded(t_max * pitch, 0);
  for (int c = 0; c < layer.out_c; c++) {
    const int value = int(std::lrint(layer.errors[image * pitch + c] * scale));
    for (int t = own_step(layer.times[image * pitch + c], t_max); t >= 0; t--)
      rounded[t * pitch + c] = value;
  }
  const int64_t positions = int64_t(layer.in_h) * layer.in_w;
  for (int64_t p = 0; p < positions; p++)
    for (int c = 0; c < layer.in_c; c++) {
      const int time = times[image * layer.inputs() + p * layer.in_pitch + c];
      if (time < t_max)
        for (int j = 0; j < pitch; j++)
          room.total[(p * layer.in_c + c) * pitch + j] += rounded[time * pitch + j];
    }
}

}  // namespace normalized

// Errors of the last layer's neurons, in its `errors`, through all layers.
extern "C" void backward(const normalized::Layer* layers, int depth, int batch, int t_max,
                         const uint8_t* input, int threads) {
  using namespace normalized;
  std::vector<Room> rooms(threads);
  for (int index = depth - 1; index >= 0; index--) {
    const Layer& layer = layers[index];
    const uint8_t* times = index ? layers[index - 1].times : input;
    std::vector<float> largest(batch);
    share(batch, threads, [&](int, int image) { largest[image] = gate(layer, image); });
    const float most = *std::max_element(largest.begin(), largest.end());
    const float scale = most > 0 ? LARGEST / most : 0;
    *layer.step = most > 0 ? most / LARGEST : 0;
    for (auto& room : rooms) room.total.assign(layer.weights(), 0);
    // As many images at once as leave the rounded errors in the second cache.
    const Plane plane(layer);
    const int64_t of_image = t_max * plane.size;
    const int together = layer.wide ? 1 : int(std::max<int64_t>(1, CACHED / (2 * of_image)));
    share((batch + together - 1) / together, threads, [&](int thread, int part) {
      Room& room = rooms[thread];
      const int first = part * together, images = std::min(together, batch - first);
      if (!layer.wide) room.rounded.assign(images * of_image, 0);
      for (int k = 0; k < images; k++) {
        const int64_t inputs = (first + k) * layer.inputs();
        list_errors(layer, first + k, t_max, room);
        if (layer.sent) send_back(layer, room, times + inputs, layer.sent + inputs, t_max);
        if (layer.wide)
          add_up_wide(layer, first + k, t_max, times, scale, room);
        else
          round_errors(layer, plane, t_max, scale, room, &room.rounded[k * of_image]);
      }
      if (!layer.wide)
        add_up(layer, plane, images, t_max, times + first * layer.inputs(), room);
    });
    for (const auto& room : rooms)
      for (int64_t i = 0; i < layer.weights(); i++) layer.gradient[i] += room.total[i];
  }
}
