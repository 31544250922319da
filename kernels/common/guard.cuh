// What may hold an optimiser back (src/ops/guard.rs), read from memory, so that a recorded step decides at each run.
#pragma once
#include "cuda.cuh"

// Whether the step is not to be taken: the float at `halt`, if there is one, is not 0.
__device__ __forceinline__ bool halted(uint64_t halt) { return halt != 0 && *at<const float>(halt) != 0.0f; }

// What gradients are multiplied by: min(1, most / (norm + 1e-6)), NaN where the norm is, or 1 where none is given.
__device__ __forceinline__ float gradient_factor(uint64_t norm, float most) {
    if (norm == 0) return 1.0f;
    float factor = __fdiv_rn(most, __fadd_rn(*at<const float>(norm), 1e-6f));
    return factor > 1.0f ? 1.0f : factor;
}
