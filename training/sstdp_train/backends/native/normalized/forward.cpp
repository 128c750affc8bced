// Spike times of all layers. A neuron's potential stays in a register for the whole inference: for
// every output position the lists of the rows under its kernel are walked, step after step.
#include "layer.h"

namespace normalized {

// A row of neurons: [out_w, out_pitch].
struct Row {
  std::vector<int16_t> times, excess;
};

struct Potentials {
  std::vector<Int> sum;
  std::vector<Float> square;
};

// VECTORS * LANES neurons at one position from channel `first` on.
template <int VECTORS>
static void fire(const Layer& layer, const EventLists& lists, int y, int x, int first, int t_max,
                 const int16_t* thetas, Row& row, Potentials* potentials) {
  Short v[VECTORS], theta[VECTORS], waits[VECTORS], time[VECTORS], excess[VECTORS];
  for (int i = 0; i < VECTORS; i++) {
    theta[i] = load<Short>(thetas + first + i * LANES);
    v[i] = Short{};
    waits[i] = ~Short{};
    time[i] = Short{} + int16_t(t_max);
    excess[i] = Short{};
  }
  const int top = y * layer.stride_h - layer.pad_h, left = x * layer.stride_w - layer.pad_w;
  const int from_y = std::max(top, 0), to_y = std::min(top + layer.kernel_h, layer.in_h);
  const int from_x = std::max(left, 0), to_x = std::min(left + layer.kernel_w, layer.in_w);
  const int64_t pitch = layer.out_pitch;
  for (int t = 0; t < t_max; t++) {
    for (int in_y = from_y; in_y < to_y; in_y++) {
      // Row `event` of this pointer is the weight of (in_y - top, column - left, channel).
      const int16_t* weight =
          layer.weight + first +
          (int64_t(in_y - top) * layer.kernel_w - left) * layer.in_c * pitch;
      const int32_t *event, *last;
      lists.find(in_y, t, from_x, to_x, event, last);
      for (; event < last; event++) {
        const int16_t* of_event = weight + *event * pitch;
        for (int i = 0; i < VECTORS; i++) v[i] += load<Short>(of_event + i * LANES);
      }
    }
    const int16_t now = int16_t(t), final = t == t_max - 1 ? -1 : 0;
    for (int i = 0; i < VECTORS; i++) {
      Short fires = (v[i] > theta[i]) & waits[i];
      Short seen = fires | (waits[i] & final);  // a silent neuron is looked at in the last step
      time[i] = (fires & now) | (~fires & time[i]);
      excess[i] = (seen & (v[i] - theta[i])) | (~seen & excess[i]);
      waits[i] &= ~fires;
    }
    if (potentials)
      for (int i = 0; i < VECTORS; i++) {
        Int wide = __builtin_convertvector(v[i], Int);
        potentials->sum[first / LANES + i] += wide;
        potentials->square[first / LANES + i] += __builtin_convertvector(wide * wide, Float);
      }
  }
  const int64_t at = int64_t(x) * pitch + first;
  for (int i = 0; i < VECTORS; i++) {
    store(&row.times[at + i * LANES], time[i]);
    store(&row.excess[at + i * LANES], excess[i]);
  }
}

static void fire_all(const Layer& layer, const EventLists& lists, int y, int x, int t_max,
                     const int16_t* thetas, Row& row, Potentials* potentials) {
  int first = 0;
  for (; first + 8 * LANES <= layer.out_pitch; first += 8 * LANES)
    fire<8>(layer, lists, y, x, first, t_max, thetas, row, potentials);
  for (; first + 4 * LANES <= layer.out_pitch; first += 4 * LANES)
    fire<4>(layer, lists, y, x, first, t_max, thetas, row, potentials);
  for (; first + 2 * LANES <= layer.out_pitch; first += 2 * LANES)
    fire<2>(layer, lists, y, x, first, t_max, thetas, row, potentials);
  for (; first < layer.out_pitch; first += LANES)
    fire<1>(layer, lists, y, x, first, t_max, thetas, row, potentials);
}

// The earliest spike of a window, of equally early ones that of the largest excess, then the first.
static void pool(const Layer& layer, const Row* rows, int cell_y, uint8_t* times, int16_t* excess,
                 uint8_t* winners) {
  const int64_t pitch = layer.out_pitch;
  for (int cell_x = 0; cell_x < layer.cells_w(); cell_x++)
    for (int c = 0; c < pitch; c += LANES) {
      Short time{}, most{}, winner{};
      for (int dy = 0; dy < layer.pool_h; dy++)
        for (int dx = 0; dx < layer.pool_w; dx++) {
          const int64_t at = (int64_t(cell_x) * layer.pool_w + dx) * pitch + c;
          Short t = load<Short>(&rows[dy].times[at]), e = load<Short>(&rows[dy].excess[at]);
          int16_t place = int16_t(dy * layer.pool_w + dx);
          Short better = place ? (t < time) | ((t == time) & (e > most)) : ~Short{};
          time = (better & t) | (~better & time);
          most = (better & e) | (~better & most);
          winner = (better & place) | (~better & winner);
        }
      const int64_t at = (int64_t(cell_y) * layer.cells_w() + cell_x) * pitch + c;
      store(times + at, __builtin_convertvector(time, Bytes));
      store(winners + at, __builtin_convertvector(winner, Bytes));
      store(excess + at, most);
    }
}

static void count_spikes(const Layer& layer, const Row& row, int t_max, int32_t* fired) {
  for (int c = 0; c < layer.out_pitch; c += LANES) {
    Short count{};
    for (int x = 0; x < layer.out_w; x++)
      count -= load<Short>(&row.times[int64_t(x) * layer.out_pitch + c]) < int16_t(t_max);
    for (int lane = 0; lane < LANES; lane++) fired[c + lane] += count[lane];
  }
}

static void count_steps(const Layer& layer, const uint8_t* times, int image, int t_max) {
  constexpr int64_t TOGETHER = 128;  // of at most 255 steps: they fit into 16 bits
  const int64_t positions = int64_t(layer.in_h) * layer.in_w;
  for (int c = 0; c < layer.in_pitch; c += LANES) {
    Int total{};
    for (int64_t first = 0; first < positions; first += TOGETHER) {
      Short part{};
      for (int64_t p = first; p < std::min(first + TOGETHER, positions); p++)
        part += int16_t(t_max) - __builtin_convertvector(
                                     load<Bytes>(times + p * layer.in_pitch + c), Short);
      total += __builtin_convertvector(part, Int);
    }
    for (int lane = 0; lane < LANES; lane++)
      layer.presence[int64_t(image) * layer.in_pitch + c + lane] = total[lane];
  }
}

static void flush(const Layer& layer, Potentials& potentials, double* sums) {
  for (int c = 0; c < layer.out_pitch; c++) {
    sums[c] += potentials.sum[c / LANES][c % LANES];
    sums[layer.out_pitch + c] += potentials.square[c / LANES][c % LANES];
  }
  std::fill(potentials.sum.begin(), potentials.sum.end(), Int{});
  std::fill(potentials.square.begin(), potentials.square.end(), Float{});
}

static void fire_layer(const Layer& layer, const EventLists& lists, int image, int t_max) {
  const std::vector<int16_t> thetas(layer.theta, layer.theta + layer.out_pitch);
  std::vector<Row> rows(layer.pool_h);
  for (auto& row : rows) {
    row.times.resize(int64_t(layer.out_w) * layer.out_pitch);
    row.excess.resize(row.times.size());
  }
  Potentials potentials;
  potentials.sum.resize(layer.out_pitch / LANES);
  potentials.square.resize(layer.out_pitch / LANES);
  int32_t* fired = layer.fired + int64_t(image) * layer.out_pitch;
  double* sums = layer.potential + int64_t(image) * 2 * layer.out_pitch;
  std::fill(fired, fired + layer.out_pitch, 0);
  std::fill(sums, sums + 2 * layer.out_pitch, 0.0);
  const int64_t at = image * layer.cells();
  for (int y = 0; y < layer.out_h; y++) {
    Row& row = rows[y % layer.pool_h];
    const bool looked_at = layer.stat_rows && (y + image) % layer.stat_rows == 0;
    for (int x = 0; x < layer.out_w; x++)
      fire_all(layer, lists, y, x, t_max, thetas.data(), row, looked_at ? &potentials : nullptr);
    if (looked_at) flush(layer, potentials, sums);
    count_spikes(layer, row, t_max, fired);
    if (y % layer.pool_h == layer.pool_h - 1)
      pool(layer, rows.data(), y / layer.pool_h, layer.times + at, layer.excess + at,
           layer.winners + at);
  }
}

// The output layer: few neurons at one position, which may need more than 16 bits.
static void fire_wide(const Layer& layer, const EventLists& lists, int image, int t_max) {
  const int64_t pitch = layer.out_pitch, at = image * pitch;
  std::vector<int32_t> v(pitch, 0);
  uint8_t* times = layer.times + at;
  std::fill(times, times + pitch, uint8_t(t_max));
  for (int t = 0; t < t_max; t++) {
    for (int y = 0; y < layer.in_h; y++) {
      const int16_t* weight = layer.weight + int64_t(y) * layer.kernel_w * layer.in_c * pitch;
      const int32_t *event, *last;
      lists.find(y, t, 0, layer.in_w, event, last);
      for (; event < last; event++)
        for (int j = 0; j < pitch; j++) v[j] += weight[*event * pitch + j];
    }
    for (int j = 0; j < pitch; j++) {
      if (times[j] != t_max) continue;
      layer.margins[at + j] = v[j] - layer.theta[j];
      if (v[j] > layer.theta[j]) times[j] = uint8_t(t);
    }
  }
  for (int j = 0; j < pitch; j++) layer.fired[at + j] = times[j] < t_max;
}

}  // namespace normalized

// Input spike times [batch, in_h, in_w, in_pitch] of the first layer through all layers.
extern "C" void forward(const normalized::Layer* layers, int depth, int batch, int t_max,
                        const uint8_t* input, int threads) {
  using namespace normalized;
  std::vector<EventLists> lists(threads);
  for (int index = 0; index < depth; index++) {
    const Layer& layer = layers[index];
    const uint8_t* times = index ? layers[index - 1].times : input;
    share(batch, threads, [&](int thread, int image) {
      lists[thread].read(times + image * layer.inputs(), layer, t_max);
      count_steps(layer, times + image * layer.inputs(), image, t_max);
      (layer.wide ? fire_wide : fire_layer)(layer, lists[thread], image, t_max);
    });
  }
}
