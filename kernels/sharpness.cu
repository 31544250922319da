// Label sharpness over all pairs, fused with the tiles of squared distances that `neighbours` makes too.
//
// sharpness_{u8,f32}_{32,256}: grid (tiles, splits), 256 threads. Of the pairs with different labels (and not
// identical: those share a group) a tile gives the sums of 1/distance and 1/distance^2, in a fixed order, and
// offers the closest to one list of the L smallest. Floats: pairs too close for their value to be trusted in
// a mean are appended to a list of their own, which the host has recomputed.
#include "common/pair_tile.cuh"
#include "common/warp_list.cuh"

// Mirrored in src/ops/sharpness/cuda.rs.
struct SharpnessParams {
    PairParams pairs;
    uint64_t labels;   // uint32 per sample
    uint64_t groups;   // uint32 per sample: identical samples share one
    uint64_t keys;     // double, L, ascending: least possible squared distances
    uint64_t indices;  // uint64, L: lower sample << 32 | higher
    uint64_t lock;     // uint32, 0
    uint64_t sums;     // two doubles per tile
    PairList near_pairs;  // recomputed: of value near (norm_i + norm_j)^2 or less
    double near;
};
static_assert(sizeof(SharpnessParams) == 200 && offsetof(SharpnessParams, near) == 192);

template <class Policy, int C> __device__ __forceinline__ void sharpness(const SharpnessParams& p) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    using List = WarpList<C, unsigned long long>;
    PairTile<Policy> tile;
    if (!tile.run(p.pairs, shared)) return;

    const PairParams& pairs = p.pairs;
    int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
    double* value = reinterpret_cast<double*>(shared);
    uint32_t row0 = uint32_t(tile.row_block * TILE), col0 = uint32_t(tile.col_block * TILE);
    const uint32_t* labels = at<const uint32_t>(p.labels);
    const uint32_t* groups = at<const uint32_t>(p.groups);
    double first = 0, second = 0;
    for (int half = 0; half < 2; half++) {
        tile.values(pairs, half, value);
        __syncthreads();
        for (int r = warp; r < HALF; r += THREADS / 32) {
            uint32_t i = row0 + uint32_t(half * HALF + r);
            if (i >= pairs.left_rows) break;
            uint32_t sample = pairs.left_first + i, label = labels[sample], group = groups[sample];
            for (int c = lane; c < TILE; c += 32) {
                uint32_t j = col0 + uint32_t(c), other = pairs.right_first + j;
                bool counts = j < pairs.right_rows && sample < other;
                // Read only what is there.
                if (counts) counts = labels[other] != label && groups[other] != group;
                double v = value[r * VALUE_STRIDE + c], key = 0;
                if (counts) {
                    double norms = 0;
                    if (p.near > 0) norms = at<const double>(pairs.left_norm)[i] + at<const double>(pairs.right_norm)[j];
                    if (p.near > 0 && v <= p.near * norms * norms) {
                        append(p.near_pairs, sample, other);
                        counts = false;
                    } else {
                        first += 1.0 / sqrt(v);
                        second += 1.0 / v;
                        key = fmax(v - pairs.eta * norms * norms, 0.0);
                    }
                }
                unsigned long long index = (unsigned long long)sample << 32 | other;
                List::offer(at<double>(p.keys), at<unsigned long long>(p.indices), at<unsigned>(p.lock), counts, key,
                            index);
            }
        }
        __syncthreads();
    }
    // Sums of lanes, then of warps, in an order that only depends on the tile.
    for (int step = 16; step; step /= 2) {
        first += __shfl_xor_sync(0xFFFFFFFFu, first, step);
        second += __shfl_xor_sync(0xFFFFFFFFu, second, step);
    }
    if (lane == 0) value[2 * warp] = first, value[2 * warp + 1] = second;
    __syncthreads();
    if (threadIdx.x < 2) {
        double sum = 0;
        for (int w = 0; w < THREADS / 32; w++) sum += value[2 * w + int(threadIdx.x)];
        at<double>(p.sums)[2 * size_t(blockIdx.x) + threadIdx.x] = sum;
    }
}

SHARPDIM_KERNEL(256, sharpness_u8_32, SharpnessParams) { sharpness<Bytes, 1>(p); }
SHARPDIM_KERNEL(256, sharpness_u8_256, SharpnessParams) { sharpness<Bytes, 8>(p); }
SHARPDIM_KERNEL(256, sharpness_f32_32, SharpnessParams) { sharpness<SplitFloats, 1>(p); }
SHARPDIM_KERNEL(256, sharpness_f32_256, SharpnessParams) { sharpness<SplitFloats, 8>(p); }
