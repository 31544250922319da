// Records a batch's results in a table of 2 x len floats: for each image i below `rows`, its loss to table[from + i], and to
// table[len + from + i] 1 where the first of its greatest logits is its label's, else 0. `halt` becomes 1 where one of
// these losses is not finite. logits: batch x classes, floats or bf16; labels and losses: a float per image.
//
// A warp owns an image, a block of 256 eight; lanes take classes lane, lane + 32, ... The label's logit is the first of the
// greatest where none before it is as great and none after it greater: the maximum is not needed. `from` and `rows` are
// read from memory, so that a recorded launch advances in the table at each run. Warps that set the flag all write the
// same 1. Bound: the launch at a network's sizes, bytes beyond.
#include "common/vectors.cuh"

// Mirrored in src/ops/tally/cuda.rs.
struct TallyParams {
    uint64_t logits, labels, losses;
    uint64_t place;  // two floats: from, rows
    uint64_t table;  // written, images `from` on
    uint64_t halt;   // one float: written where a loss is not finite
    uint32_t batch, classes, len;
    uint32_t unused;
};
static_assert(sizeof(TallyParams) == 64 && offsetof(TallyParams, batch) == 48);

template <class T> __device__ __forceinline__ void tally(const TallyParams& p) {
    const float* place = at<const float>(p.place);
    // Saturating: negative numbers and NaN become 0, too large ones the maximum.
    uint32_t from = __float2uint_rz(place[0]), rows = __float2uint_rz(place[1]);
    uint32_t image = blockIdx.x * 8 + threadIdx.x / 32;
    if (image >= p.batch || image >= rows) return;
    float label = at<const float>(p.labels)[image];
    uint32_t own = __float2uint_rz(label);
    bool beaten = float(own) != label || own >= p.classes;
    if (!beaten) {
        const T* logits = at<const T>(p.logits) + size_t(image) * p.classes;
        float most = to_float(logits[own]);
        for (uint32_t j = threadIdx.x % 32; j < p.classes; j += 32) {
            float z = to_float(logits[j]);
            // NaN is neither less nor as great.
            beaten |= !(j < own ? z < most : z <= most);
        }
    }
    beaten = __any_sync(0xFFFFFFFFu, beaten);
    if (threadIdx.x % 32 != 0) return;
    float loss = at<const float>(p.losses)[image];
    if (!(fabsf(loss) < INFINITY)) *at<float>(p.halt) = 1.0f;
    uint64_t to = uint64_t(from) + image;
    if (to >= p.len) return;
    at<float>(p.table)[to] = loss;
    at<float>(p.table)[p.len + to] = beaten ? 0.0f : 1.0f;
}

SHARPDIM_KERNEL(256, tally_f32, TallyParams) { tally<float>(p); }
SHARPDIM_KERNEL(256, tally_bf16, TallyParams) { tally<__nv_bfloat16>(p); }
