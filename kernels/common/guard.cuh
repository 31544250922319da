// Guards of an optimiser's step (src/ops/guard.rs), read from memory, so that a recorded step checks them at each run.
#pragma once
#include "cuda.cuh"

// Whether to skip the step: the float at `halt`, if there is one, is not 0.
__device__ __forceinline__ bool halted(uint64_t halt) { return halt != 0 && *at<const float>(halt) != 0.0f; }

// The clipping factor of gradients: min(1, most / (norm + 1e-6)), NaN where the norm is, or 1 without a norm.
__device__ __forceinline__ float gradient_factor(uint64_t norm, float most) {
    if (norm == 0) return 1.0f;
    float factor = __fdiv_rn(most, __fadd_rn(*at<const float>(norm), 1e-6f));
    return factor > 1.0f ? 1.0f : factor;
}
