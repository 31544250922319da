// Dropout of n values, of floats or bf16: y = word < threshold ? 0 : x * factor, where `word` is number index % 4 of
// Philox 4x32-10 at the counter (index / 4, layer, step, 0); the same words as src/ops/philox.rs.
//
// A thread owns a vector of 16 bytes, the values of one or two counters, or one value of the tail; blocks of 256 in one
// row. The step is read from memory, so that a recorded launch has a new mask at each. Bound: bytes.
#include "common/philox.cuh"
#include "common/vectors.cuh"

// Mirrored in src/ops/dropout/cuda.rs.
struct DropoutParams {
    uint64_t x;     // read
    uint64_t y;     // written; may be x
    uint64_t step;  // one float: an integer
    uint64_t len, vectors;
    uint32_t key_low, key_high;
    uint32_t layer;
    uint32_t threshold;
    float factor;
    uint32_t unused;
};
static_assert(sizeof(DropoutParams) == 64 && offsetof(DropoutParams, key_low) == 40);

template <class T> __device__ __forceinline__ void dropout(const DropoutParams& p) {
    constexpr int each = in_vector<T>;
    Share mine = share(p.len, p.vectors, each);
    if (!mine.any) return;
    uint32_t step = __float2uint_rz(*at<const float>(p.step));
    const T* x = at<const T>(p.x) + mine.first;
    T* y = at<T>(p.y) + mine.first;
    auto words = [&](uint64_t place) {
        return philox(make_uint4(uint32_t(place / 4), p.layer, step, 0), p.key_low, p.key_high);
    };
    auto kept = [&](uint32_t word, float value) { return word < p.threshold ? 0.0f : __fmul_rn(value, p.factor); };
    if (!mine.vector) {
        uint4 four = words(mine.first);
        uint32_t at_place = uint32_t(mine.first % 4);
        uint32_t word = word_of(four, at_place);
        put(y, kept(word, to_float(*x)));
        return;
    }
    float values[each];
    load(x, values);
#pragma unroll
    for (int i = 0; i < each; i += 4) {
        uint4 four = words(mine.first + i);
        values[i] = kept(four.x, values[i]);
        values[i + 1] = kept(four.y, values[i + 1]);
        values[i + 2] = kept(four.z, values[i + 2]);
        values[i + 3] = kept(four.w, values[i + 3]);
    }
    store(y, values);
}

SHARPDIM_KERNEL(256, dropout_f32, DropoutParams) { dropout<float>(p); }
SHARPDIM_KERNEL(256, dropout_bf16, DropoutParams) { dropout<__nv_bfloat16>(p); }
