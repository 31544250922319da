// Loads and stores of 16 bytes, floats or bf16, for elementwise kernels: a thread takes vector number `thread` of `each`
// values, or, past the vectors, one value of the tail (src/ops/vectors.rs).
#pragma once
#include "cuda.cuh"

// Vector length of elementwise kernels; mirrored by the fields `len` and `vectors` of src/ops/vectors.rs.
struct Share {
    uint64_t first;  // this thread's first value
    bool vector;     // whether it has `each` values, or one
    bool any;        // whether it has any
};
__device__ __forceinline__ Share share(uint64_t len, uint64_t vectors, int each) {
    uint64_t thread = uint64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    bool vector = thread < vectors;
    uint64_t first = vector ? thread * each : vectors * each + (thread - vectors);
    return {first, vector, first < len};
}

__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(__nv_bfloat16 v) { return __bfloat162float(v); }
// To the nearest, ties to even.
__device__ __forceinline__ void put(float* to, float v) { *to = v; }
__device__ __forceinline__ void put(__nv_bfloat16* to, float v) { *to = __float2bfloat16_rn(v); }

// Values in 16 bytes.
template <class T> constexpr int in_vector = 16 / int(sizeof(T));

// `count` floats, a multiple of 4, from an address that is a multiple of 16.
template <int count> __device__ __forceinline__ void load(const float* from, float (&values)[count]) {
    static_assert(count % 4 == 0);
#pragma unroll
    for (int i = 0; i < count; i += 4) {
        float4 four = *reinterpret_cast<const float4*>(from + i);
        values[i] = four.x, values[i + 1] = four.y, values[i + 2] = four.z, values[i + 3] = four.w;
    }
}
template <int count> __device__ __forceinline__ void store(float* to, const float (&values)[count]) {
    static_assert(count % 4 == 0);
#pragma unroll
    for (int i = 0; i < count; i += 4)
        *reinterpret_cast<float4*>(to + i) = make_float4(values[i], values[i + 1], values[i + 2], values[i + 3]);
}

// Two bf16 in a word, the first in the lower half. A bf16 is the upper half of a float.
__device__ __forceinline__ void unpack(uint32_t word, float& low, float& high) {
    low = __uint_as_float(word << 16);
    high = __uint_as_float(word & 0xFFFF0000u);
}
__device__ __forceinline__ uint32_t pack(float low, float high) {
    return uint32_t(__bfloat16_as_ushort(__float2bfloat16_rn(high))) << 16 |
           __bfloat16_as_ushort(__float2bfloat16_rn(low));
}

// 8 bf16 from an address that is a multiple of 16; 4 from a multiple of 8.
__device__ __forceinline__ void load(const __nv_bfloat16* from, float (&values)[8]) {
    uint4 words = *reinterpret_cast<const uint4*>(from);
    unpack(words.x, values[0], values[1]);
    unpack(words.y, values[2], values[3]);
    unpack(words.z, values[4], values[5]);
    unpack(words.w, values[6], values[7]);
}
__device__ __forceinline__ void load(const __nv_bfloat16* from, float (&values)[4]) {
    uint2 words = *reinterpret_cast<const uint2*>(from);
    unpack(words.x, values[0], values[1]);
    unpack(words.y, values[2], values[3]);
}
__device__ __forceinline__ void store(__nv_bfloat16* to, const float (&values)[8]) {
    *reinterpret_cast<uint4*>(to) = make_uint4(pack(values[0], values[1]), pack(values[2], values[3]),
                                               pack(values[4], values[5]), pack(values[6], values[7]));
}
__device__ __forceinline__ void store(__nv_bfloat16* to, const float (&values)[4]) {
    *reinterpret_cast<uint2*>(to) = make_uint2(pack(values[0], values[1]), pack(values[2], values[3]));
}
