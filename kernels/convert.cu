// Copies n values from one precision to another, or to the same: y = x, rounded to the nearest and ties to even.
//
// A thread owns 8 values (4 where both are floats), read and written by 16 bytes, or one value of the tail; blocks of 256
// in one row. Bound: bytes.
#include "common/vectors.cuh"

// Mirrored in src/ops/convert/cuda.rs.
struct ConvertParams {
    uint64_t x;  // read
    uint64_t y;  // written
    uint64_t len, vectors;
};
static_assert(sizeof(ConvertParams) == 32 && offsetof(ConvertParams, len) == 16);

template <class From, class To> __device__ __forceinline__ void convert(const ConvertParams& p) {
    constexpr int each = in_vector<From> > in_vector<To> ? in_vector<From> : in_vector<To>;
    Share mine = share(p.len, p.vectors, each);
    if (!mine.any) return;
    const From* x = at<const From>(p.x) + mine.first;
    To* y = at<To>(p.y) + mine.first;
    if (!mine.vector) {
        put(y, to_float(*x));
        return;
    }
    float values[each];
    load(x, values);
    store(y, values);
}

SHARPDIM_KERNEL(256, convert_f32_f32, ConvertParams) { convert<float, float>(p); }
SHARPDIM_KERNEL(256, convert_f32_bf16, ConvertParams) { convert<float, __nv_bfloat16>(p); }
SHARPDIM_KERNEL(256, convert_bf16_f32, ConvertParams) { convert<__nv_bfloat16, float>(p); }
SHARPDIM_KERNEL(256, convert_bf16_bf16, ConvertParams) { convert<__nv_bfloat16, __nv_bfloat16>(p); }
