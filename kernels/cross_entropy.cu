// Softmax cross-entropy of a batch, and its gradient. With z an image's logits, most = max z, sum = sum of exp(z - most):
//
// cross_entropy_forward_*:  loss = (most - z[label]) + ln(sum)
// cross_entropy_backward_*: gradient[j] = scale (exp(z[j] - most) / sum - (j == label))
// logits and gradient: batch x classes, floats or bf16; labels: a float per image; losses: a float per image. Exponents
// are at most 0, so that finite logits do not overflow. A label that is no class gives NaN.
//
// A warp owns an image, a block of 256 eight; lanes take classes lane, lane + 32, ... (rows of odd length
// are not aligned to 16 bytes: loads are of one value, coalesced). The logits are read two or three times, from the cache.
// Bound: the launch at a network's sizes, bytes beyond.
#include "common/vectors.cuh"

// Mirrored in src/ops/cross_entropy/cuda.rs.
struct CrossEntropyParams {
    uint64_t logits;
    uint64_t labels;
    uint64_t out;  // losses, or the logits' gradient
    uint32_t batch, classes;
    float scale;
    uint32_t unused;
};
static_assert(sizeof(CrossEntropyParams) == 40 && offsetof(CrossEntropyParams, batch) == 24);

constexpr unsigned all_lanes = 0xFFFFFFFFu;
constexpr uint32_t no_class = 0xFFFFFFFFu;

struct Image {
    uint32_t number;
    uint32_t label;  // or no_class
    float most, sum;
    bool any;
};

// This warp's image, with its maximum and sum, the same bits in every lane: a butterfly adds the same pairs in each.
template <class T> __device__ __forceinline__ Image image(const CrossEntropyParams& p) {
    Image mine;
    mine.number = blockIdx.x * 8 + threadIdx.x / 32;
    mine.any = mine.number < p.batch;
    if (!mine.any) return mine;
    float label = at<const float>(p.labels)[mine.number];
    mine.label = __float2uint_rz(label);
    if (float(mine.label) != label || mine.label >= p.classes) mine.label = no_class;
    const T* logits = at<const T>(p.logits) + size_t(mine.number) * p.classes;
    mine.most = -INFINITY;
    for (uint32_t j = threadIdx.x % 32; j < p.classes; j += 32) mine.most = fmaxf(mine.most, to_float(logits[j]));
    for (int step = 16; step; step /= 2) mine.most = fmaxf(mine.most, __shfl_xor_sync(all_lanes, mine.most, step));
    mine.sum = 0;
    for (uint32_t j = threadIdx.x % 32; j < p.classes; j += 32) mine.sum += expf(to_float(logits[j]) - mine.most);
    for (int step = 16; step; step /= 2) mine.sum += __shfl_xor_sync(all_lanes, mine.sum, step);
    return mine;
}

template <class T> __device__ __forceinline__ void cross_entropy_forward(const CrossEntropyParams& p) {
    Image mine = image<T>(p);
    if (!mine.any || threadIdx.x % 32 != 0) return;
    float loss = NAN;
    if (mine.label != no_class) {
        float target = to_float(at<const T>(p.logits)[size_t(mine.number) * p.classes + mine.label]);
        loss = (mine.most - target) + logf(mine.sum);
    }
    at<float>(p.out)[mine.number] = loss;
}

template <class T> __device__ __forceinline__ void cross_entropy_backward(const CrossEntropyParams& p) {
    Image mine = image<T>(p);
    if (!mine.any) return;
    const T* logits = at<const T>(p.logits) + size_t(mine.number) * p.classes;
    T* gradient = at<T>(p.out) + size_t(mine.number) * p.classes;
    for (uint32_t j = threadIdx.x % 32; j < p.classes; j += 32) {
        float softmax = expf(to_float(logits[j]) - mine.most) / mine.sum;
        float error = softmax - (j == mine.label ? 1.0f : 0.0f);
        put(gradient + j, mine.label == no_class ? NAN : p.scale * error);
    }
}

SHARPDIM_KERNEL(256, cross_entropy_forward_f32, CrossEntropyParams) { cross_entropy_forward<float>(p); }
SHARPDIM_KERNEL(256, cross_entropy_forward_bf16, CrossEntropyParams) { cross_entropy_forward<__nv_bfloat16>(p); }
SHARPDIM_KERNEL(256, cross_entropy_backward_f32, CrossEntropyParams) { cross_entropy_backward<float>(p); }
SHARPDIM_KERNEL(256, cross_entropy_backward_bf16, CrossEntropyParams) { cross_entropy_backward<__nv_bfloat16>(p); }
