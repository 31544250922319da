// Label sharpness over all pairs, fused with the tiles of squared distances that `neighbours` makes too.
//
// sharpness_{u8,f32}_{32,256}: grid (tiles, splits), 256 threads. Of the pairs with different labels (and not
// identical: those share a group) a tile gives the sums of 1/distance and 1/distance^2, in a fixed order, and
// offers the closest to one list of the L smallest. Floats: pairs whose value is not accurate enough for a mean are
// appended to a separate list, which the host has recomputed.
#include "common/pair_tile.cuh"
#include "common/warp_list.cuh"

// Mirrored in src/ops/sharpness/cuda.rs.
struct SharpnessParams {
    PairParams pairs;
    uint64_t labels;   // uint32 per sample
    uint64_t groups;   // uint32 per sample: identical samples share one
    uint64_t keys;     // double, L, ascending: lower bounds of squared distances
    uint64_t indices;  // uint64, L: lower sample << 32 | higher
    uint64_t lock;     // uint32, 0
    uint64_t sums;     // two doubles per tile
    PairList near_pairs;  // recomputed: of values that is_near
};
static_assert(sizeof(SharpnessParams) == 200 && offsetof(SharpnessParams, near_pairs) == 168);

template <class Policy, int C> __device__ __forceinline__ void sharpness(const SharpnessParams& p) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    using List = WarpList<C, unsigned long long>;
    PairTile<Policy> tile;
    if (!tile.run(p.pairs, shared)) return;

    int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
    const uint32_t* labels = at<const uint32_t>(p.labels);
    const uint32_t* groups = at<const uint32_t>(p.groups);
    double first = 0, second = 0;
    tile.for_each_row(p.pairs, shared, [&](const TileRow& row) {
        uint32_t label = labels[row.sample], group = groups[row.sample];
        for (int c = lane; c < TILE; c += 32) {
            TilePair pair = row.pair(p.pairs, c);
            // Read only labels that exist.
            bool counts = pair.valid && labels[pair.other] != label && groups[pair.other] != group;
            double v = pair.value, key = 0;
            if (counts) {
                double norm = norms(p.pairs, row.i, pair.j);
                if (is_near(p.pairs, v, norm)) {
                    append(p.near_pairs, row.sample, pair.other);
                    counts = false;
                } else {
                    first += 1.0 / sqrt(v);
                    second += 1.0 / v;
                    key = fmax(v - slack(p.pairs, norm), 0.0);
                }
            }
            unsigned long long index = (unsigned long long)row.sample << 32 | pair.other;
            List::offer(at<double>(p.keys), at<unsigned long long>(p.indices), at<unsigned>(p.lock), counts, key,
                        index);
        }
    });
    double* value = reinterpret_cast<double*>(shared);
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
