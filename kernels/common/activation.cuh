// Activations that operations fuse into writing their output.
#pragma once
#include "cuda.cuh"

// Mirrored in src/ops/activation.rs. A field of parameter structs: 32 bits.
enum class Activation : uint32_t { Identity = 0, Relu = 1 };

__device__ __forceinline__ float activated(Activation activation, float v) {
    // Not fmaxf, which would turn NaN into a number.
    return activation == Activation::Relu && v < 0.0f ? 0.0f : v;
}
