// Loads and stores of adjacent channels for kernels over NHWC images: W at a time, 16 bytes where W is not 1, as floats in
// registers whatever their storage type.
#pragma once
#include "cuda.cuh"

// Number of values in 16 bytes.
template <class T> constexpr int WIDE = 16 / int(sizeof(T));

__device__ __forceinline__ float widened(float v) { return v; }
__device__ __forceinline__ float widened(__nv_bfloat16 v) { return __bfloat162float(v); }
template <class T> __device__ __forceinline__ T narrowed(float v);
template <> __device__ __forceinline__ float narrowed<float>(float v) { return v; }
template <> __device__ __forceinline__ __nv_bfloat16 narrowed<__nv_bfloat16>(float v) { return __float2bfloat16_rn(v); }

// W channels of one pixel: W is 1, or WIDE<T> with `from` aligned to 16 bytes.
template <int W, class T> __device__ __forceinline__ void load_channels(float (&value)[W], const T* from) {
    if constexpr (W == 1) {
        value[0] = widened(*from);
    } else if constexpr (sizeof(T) == 4) {
        static_assert(W == 4);
        float4 four = *reinterpret_cast<const float4*>(from);
        value[0] = four.x, value[1] = four.y, value[2] = four.z, value[3] = four.w;
    } else {
        static_assert(W == 8);
        uint4 eight = *reinterpret_cast<const uint4*>(from);
        uint32_t pair[4] = {eight.x, eight.y, eight.z, eight.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            // A bfloat16 is the upper half of a float.
            value[2 * i] = __uint_as_float(pair[i] << 16);
            value[2 * i + 1] = __uint_as_float(pair[i] & 0xFFFF0000u);
        }
    }
}

template <int W, class T> __device__ __forceinline__ void store_channels(T* to, const float (&value)[W]) {
    if constexpr (W == 1) {
        *to = narrowed<T>(value[0]);
    } else if constexpr (sizeof(T) == 4) {
        static_assert(W == 4);
        *reinterpret_cast<float4*>(to) = make_float4(value[0], value[1], value[2], value[3]);
    } else {
        static_assert(W == 8);
        uint32_t pair[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            __nv_bfloat162 two = __floats2bfloat162_rn(value[2 * i], value[2 * i + 1]);
            pair[i] = *reinterpret_cast<uint32_t*>(&two);
        }
        *reinterpret_cast<uint4*>(to) = make_uint4(pair[0], pair[1], pair[2], pair[3]);
    }
}
