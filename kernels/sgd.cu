// One step of gradient descent with momentum for n float weights, with a copy of the new weights:
//
// g' = factor g + decay w,  b = momentum b + g',  w = w - rate (nesterov ? g' + momentum b : b),  copy = w
// with the rate read from memory, so that a recorded launch reads each step's, and factor from common/guard.cuh, which may
// also skip the step. Every operation is rounded separately, in the order of src/ops/sgd/cpu.rs, for the same bits.
//
// A thread owns 4 values, read and written by 16 bytes, or one value of the tail; blocks of 256 in one row.
// Bound: bytes, 20 per weight plus the copy's.
#include "common/guard.cuh"
#include "common/vectors.cuh"

// Mirrored in src/ops/sgd/cuda.rs.
struct SgdParams {
    uint64_t weights, buffer;  // read and written
    uint64_t gradient;         // read
    uint64_t rate;             // one float
    uint64_t copy;             // written: floats or bf16
    uint64_t halt, norm;       // one float each, or 0
    uint64_t len, vectors;
    float momentum, decay;
    uint32_t nesterov;
    uint32_t copy_kind;  // 0: no copy, 1: floats, 2: bf16
    float most;          // the norm to which gradients are clipped
    uint32_t unused;
};
static_assert(sizeof(SgdParams) == 96 && offsetof(SgdParams, momentum) == 72);

__device__ __forceinline__ void sgd_update(const SgdParams& p, float rate, float factor, float& w, float g,
                                           float& b) {
    g = __fadd_rn(__fmul_rn(g, factor), __fmul_rn(p.decay, w));
    b = __fadd_rn(__fmul_rn(p.momentum, b), g);
    float along = p.nesterov ? __fadd_rn(g, __fmul_rn(p.momentum, b)) : b;
    w = __fsub_rn(w, __fmul_rn(rate, along));
}

SHARPDIM_KERNEL(256, sgd, SgdParams) {
    Share mine = share(p.len, p.vectors, 4);
    if (!mine.any || halted(p.halt)) return;
    float rate = *at<const float>(p.rate), factor = gradient_factor(p.norm, p.most);
    float* weights = at<float>(p.weights) + mine.first;
    float* buffer = at<float>(p.buffer) + mine.first;
    const float* gradient = at<const float>(p.gradient) + mine.first;
    if (!mine.vector) {
        float w = *weights;
        sgd_update(p, rate, factor, w, *gradient, *buffer);
        *weights = w;
        if (p.copy_kind == 1) at<float>(p.copy)[mine.first] = w;
        if (p.copy_kind == 2) put(at<__nv_bfloat16>(p.copy) + mine.first, w);
        return;
    }
    float w4[4], g4[4], b4[4];
    load(weights, w4);
    load(gradient, g4);
    load(buffer, b4);
#pragma unroll
    for (int i = 0; i < 4; i++) sgd_update(p, rate, factor, w4[i], g4[i], b4[i]);
    store(weights, w4);
    store(buffer, b4);
    if (p.copy_kind == 1) store(at<float>(p.copy) + mine.first, w4);
    if (p.copy_kind == 2) store(at<__nv_bfloat16>(p.copy) + mine.first, w4);
}
