// What the passes share: vectors, the layer as Python hands it over, work shared out to threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace normalized {

constexpr int LANES = 16;  // channels are padded to a multiple, with neurons that never fire
typedef int16_t Short __attribute__((vector_size(2 * LANES), aligned(2)));
typedef int32_t Int __attribute__((vector_size(4 * LANES), aligned(4)));
typedef float Float __attribute__((vector_size(4 * LANES), aligned(4)));
typedef float Half __attribute__((vector_size(2 * LANES), aligned(4)));
typedef uint8_t Bytes __attribute__((vector_size(LANES), aligned(1)));
typedef uint8_t HalfBytes __attribute__((vector_size(LANES / 2), aligned(1)));
constexpr int HALF = LANES / 2;

template <class Vector, class Element>
Vector load(const Element* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

template <class Vector, class Element>
void store(Element* to, Vector vector) {
  std::memcpy(to, &vector, sizeof vector);
}

// One bit for every byte that is `value`, lowest first.
inline uint32_t bits_equal(const uint8_t* bytes, uint8_t value) {
#ifdef __SSE2__
  return _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)),
                                          _mm_set1_epi8(char(value))));
#else
  uint32_t bits = 0;
  for (int i = 0; i < LANES; i++) bits |= uint32_t(bytes[i] == value) << i;
  return bits;
#endif
}

// The same for every number that is not 0.
inline uint32_t bits_set(const float* numbers) {
#ifdef __AVX__
  const __m256 zero = _mm256_setzero_ps();
  const int low = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(numbers), zero, _CMP_NEQ_UQ));
  const int high =
      _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(numbers + HALF), zero, _CMP_NEQ_UQ));
  return uint32_t(low | high << HALF);
#else
  uint32_t bits = 0;
  for (int i = 0; i < LANES; i++) bits |= uint32_t(numbers[i] != 0) << i;
  return bits;
#endif
}

// One layer with the first-spike pooling behind it. Images are [height, width, channels]; `*_pitch`
// is the number of channels in memory, a multiple of LANES, where channels that there are not stay
// silent. Kernels are [kernel height, kernel width, channels in,
// out_pitch]. Cells are what pooling leaves, [rows / pool_h, columns / pool_w, out_pitch].
struct Layer {
  int32_t in_h, in_w, in_c, in_pitch;
  int32_t out_h, out_w, out_c, out_pitch;
  int32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
  int32_t pool_h, pool_w;
  int32_t stat_rows;       // statistics look at every so many rows; 0 for none
  int32_t wide;            // potentials of 32 bits and one position: the output layer
  int32_t wake_silent;     // whether inputs without a spike receive errors
  const int16_t* weight;   // kernels
  const int32_t* theta;    // [out_pitch]
  uint8_t* times;          // [batch, cells] first spikes
  int32_t* margins;        // wide: [batch, out_pitch], V - theta at the spike or at the last step
  int16_t* excess;         // else: [batch, cells], of winners
  uint8_t* winners;        // [batch, cells], places in the window by rows
  double* potential;       // [batch, 2, out_pitch] sums of V and of its square
  int32_t* fired;          // [batch, out_pitch]
  int64_t* presence;       // [batch, in_pitch] of inputs, steps from the spike to the last one
  // Backward. Errors are those on drive, of winners.
  const float* back;       // [kernel height, kernel width reversed, channels out, in_pitch]
  const float* gate;       // [out_pitch] 1 / reach of |V - theta|; unused where wide
  const float* gain;       // [out_pitch] error on V for an error on drive that passes whole
  float* errors;           // [batch, cells] in: as they arrive; out: on V
  float* sent;             // [batch, in_h, in_w, in_pitch] to the inputs; null where nobody asks
  int32_t* gradient;       // kernels: sum over samples of rounded errors
  float* step;             // what one unit of `gradient` is worth
  double* drive;           // [batch, out_pitch] errors summed over positions

  int cells_h() const { return out_h / pool_h; }
  int cells_w() const { return out_w / pool_w; }
  int64_t cells() const { return int64_t(cells_h()) * cells_w() * out_pitch; }
  int64_t inputs() const { return int64_t(in_h) * in_w * in_pitch; }
  int64_t weights() const { return int64_t(kernel_h) * kernel_w * in_c * out_pitch; }
};

// Every image is worked on by one thread, and sums over images are made of integers or in the order
// of the images: results do not depend on the number of threads.
template <class Work>
void share(int count, int threads, Work work) {
  std::atomic<int> next{0};
  auto take = [&](int thread) {
    for (int item; (item = next.fetch_add(1)) < count;) work(thread, item);
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < std::min(threads, count); thread++) others.emplace_back(take, thread);
  take(0);
  for (auto& other : others) other.join();
}

// The spikes of an image as lists, one for every row and step, in order of `column * channels +
// channel`; where each column begins among them.
struct EventLists {
  int width, channels, t_max;
  std::vector<int32_t> events, start;

  void read(const uint8_t* times, const Layer& layer, int steps) {
    width = layer.in_w, channels = layer.in_c, t_max = steps;
    size_t room = size_t(width) * channels;
    events.resize(size_t(layer.in_h) * t_max * room);
    start.resize(size_t(layer.in_h) * t_max * (width + 1));
    std::vector<int32_t*> end(t_max);
    for (int y = 0; y < layer.in_h; y++) {
      for (int t = 0; t < t_max; t++) end[t] = &events[(size_t(y) * t_max + t) * room];
      for (int x = 0; x < width; x++) {
        for (int t = 0; t < t_max; t++)
          start[(size_t(y) * t_max + t) * (width + 1) + x] =
              int32_t(end[t] - events.data());
        const uint8_t* of_pixel = times + (size_t(y) * width + x) * layer.in_pitch;
        for (int c = 0; c < layer.in_pitch; c += LANES)
          for (int t = 0; t < t_max; t++)
            for (uint32_t bits = bits_equal(of_pixel + c, uint8_t(t)); bits; bits &= bits - 1)
              *end[t]++ = x * channels + c + std::countr_zero(bits);
      }
      for (int t = 0; t < t_max; t++)
        start[(size_t(y) * t_max + t) * (width + 1) + width] = int32_t(end[t] - events.data());
    }
  }

  // The events of columns `from` (included) to `to` (not included).
  void find(int y, int t, int from, int to, const int32_t*& first, const int32_t*& last) const {
    const int32_t* of_row = &start[(size_t(y) * t_max + t) * (width + 1)];
    first = &events[0] + of_row[from];
    last = &events[0] + of_row[to];
  }
};

}  // namespace normalized
