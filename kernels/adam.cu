// One step of Adam or AdamW for n float weights, with a copy of the new weights for the next step's matrix products:
//
// g' = factor g + coupled w,  m = beta1 m + rest1 g',  v = beta2 v + rest2 g' g',
// w = w shrunk - size m / (sqrt(v) / root + eps),  copy = w
// with (rate, unbias1, unbias2) read from memory, so that a recorded launch reads each step's: size = rate / unbias1,
// root = sqrt(unbias2), shrunk = 1 - rate decay or 1, and factor from common/guard.cuh, which may also skip the step. Every
// operation is rounded separately, in the order of src/ops/adam/cpu.rs, for the same bits.
//
// A thread owns 4 values, read and written by 16 bytes, or one value of the tail; blocks of 256 in one row.
// Bound: bytes, 28 per weight plus the copy's.
#include "common/guard.cuh"
#include "common/vectors.cuh"

// Mirrored in src/ops/adam/cuda.rs.
struct AdamParams {
    uint64_t weights, m, v;  // read and written
    uint64_t gradient;       // read
    uint64_t step;           // 3 floats: learning rate, 1 - beta1^t, 1 - beta2^t
    uint64_t copy;           // written: floats or bf16
    uint64_t halt, norm;     // one float each, or 0
    uint64_t len, vectors;
    float beta1, beta2, eps, decay;
    uint32_t decoupled;  // whether decay is AdamW's
    uint32_t copy_kind;  // 0: no copy, 1: floats, 2: bf16
    float most;          // the norm to which gradients are clipped
    uint32_t unused;
};
static_assert(sizeof(AdamParams) == 112 && offsetof(AdamParams, beta1) == 80);

struct AdamStep {
    float beta1, rest1, beta2, rest2, eps, coupled, shrunk, size, root, factor;

    __device__ __forceinline__ explicit AdamStep(const AdamParams& p) {
        const float* step = at<const float>(p.step);
        float rate = step[0];
        beta1 = p.beta1, rest1 = __fsub_rn(1.0f, p.beta1);
        beta2 = p.beta2, rest2 = __fsub_rn(1.0f, p.beta2);
        eps = p.eps;
        coupled = p.decoupled ? 0.0f : p.decay;
        shrunk = p.decoupled ? __fsub_rn(1.0f, __fmul_rn(rate, p.decay)) : 1.0f;
        size = __fdiv_rn(rate, step[1]);
        root = __fsqrt_rn(step[2]);
        factor = gradient_factor(p.norm, p.most);
    }

    __device__ __forceinline__ void update(float& w, float g, float& m, float& v) const {
        g = __fadd_rn(__fmul_rn(g, factor), __fmul_rn(coupled, w));
        m = __fadd_rn(__fmul_rn(beta1, m), __fmul_rn(rest1, g));
        v = __fadd_rn(__fmul_rn(beta2, v), __fmul_rn(__fmul_rn(rest2, g), g));
        float below = __fadd_rn(__fdiv_rn(__fsqrt_rn(v), root), eps);
        w = __fsub_rn(__fmul_rn(w, shrunk), __fdiv_rn(__fmul_rn(size, m), below));
    }
};

SHARPDIM_KERNEL(256, adam, AdamParams) {
    Share mine = share(p.len, p.vectors, 4);
    if (!mine.any || halted(p.halt)) return;
    AdamStep step(p);
    float* weights = at<float>(p.weights) + mine.first;
    float* m = at<float>(p.m) + mine.first;
    float* v = at<float>(p.v) + mine.first;
    const float* gradient = at<const float>(p.gradient) + mine.first;
    if (!mine.vector) {
        float w = *weights;
        step.update(w, *gradient, *m, *v);
        *weights = w;
        if (p.copy_kind == 1) at<float>(p.copy)[mine.first] = w;
        if (p.copy_kind == 2) put(at<__nv_bfloat16>(p.copy) + mine.first, w);
        return;
    }
    float w4[4], g4[4], m4[4], v4[4];
    load(weights, w4);
    load(gradient, g4);
    load(m, m4);
    load(v, v4);
#pragma unroll
    for (int i = 0; i < 4; i++) step.update(w4[i], g4[i], m4[i], v4[i]);
    store(weights, w4);
    store(m, m4);
    store(v, v4);
    if (p.copy_kind == 1) store(at<float>(p.copy) + mine.first, w4);
    if (p.copy_kind == 2) store(at<__nv_bfloat16>(p.copy) + mine.first, w4);
}
