// Squared distances of all pairs with different labels, counted by their leading bits: a pass of a radix selection,
// fused with the tiles of squared distances that `neighbours` makes too.
//
// ratio_quantiles_{u8,f32}: grid (tiles, splits), 256 threads. A tile's values go through shared memory half a tile
// at a time; a warp takes rows, a lane every 32nd column. A pair with different labels (and not identical: those
// share a group) is counted in the bin of its squared distance in the data's units: the top 18 bits after the sign
// of a double, or, in a second pass, the 12 bits after those, for the bins of the first that hold a quantile. Counts
// are integers, so that their sums do not depend on the order of blocks. Floats: pairs whose value is not accurate
// enough are appended to a list, which the host has recomputed.
// Bound: as the tiles for long rows; for short ones the atomics, since many pairs share a bin.
//
// ratio_quantiles_open_f32: of the same pairs, those whose squared distance may be in one of some ranges, given its
// error bound, are appended to a list with the squared distance that `ratio_quantiles_f32` counts them at.
#include "common/pair_tile.cuh"

// Mirrored in src/ops/ratio_quantiles/cuda.rs.
struct RatioQuantilesParams {
    PairParams pairs;
    uint64_t labels;      // uint32 per sample
    uint64_t groups;      // uint32 per sample: identical samples share one
    uint64_t slots;       // uint32 per bin of the first pass: which it is of those looked into; 0 in the first pass
    uint64_t counts;      // uint64 per bin
    PairList near_pairs;  // recomputed: of values that is_near
    uint64_t ranges;      // double2 per range, in the data's units
    PairList open;        // pairs that may be in a range, each with the squared distance that it is taken for
    uint32_t range_count;
    uint32_t unused;
    double unit;  // a value times this is a squared distance in the data's units
};
static_assert(sizeof(RatioQuantilesParams) == 240 && offsetof(RatioQuantilesParams, unit) == 232);

constexpr int FIRST_BITS = 18, SECOND_BITS = 12;

__device__ __forceinline__ void count(const RatioQuantilesParams& p, double squared) {
    unsigned long long bits = (unsigned long long)__double_as_longlong(squared);
    size_t bin = size_t(bits >> (63 - FIRST_BITS));
    if (p.slots) {
        uint32_t slot = at<const uint32_t>(p.slots)[bin];
        if (slot == 0xFFFFFFFFu) return;
        size_t rest = size_t(bits >> (63 - FIRST_BITS - SECOND_BITS)) & ((1u << SECOND_BITS) - 1);
        bin = (size_t(slot) << SECOND_BITS) + rest;
    }
    atomicAdd(at<unsigned long long>(p.counts) + bin, 1ull);
}

// `off`: the error bound of the squared distance, with a margin for roundings.
__device__ __forceinline__ void collect(const RatioQuantilesParams& p, double squared, double off, uint32_t i,
                                        uint32_t j) {
    const double* ranges = at<const double>(p.ranges);
    for (uint32_t r = 0; r < p.range_count; r++) {
        if (squared - off > ranges[2 * r + 1] || squared + off < ranges[2 * r]) continue;
        return append(p.open, i, j, squared);
    }
}

template <class Policy, bool open> __device__ __forceinline__ void ratio_quantiles(const RatioQuantilesParams& p) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    PairTile<Policy> tile;
    if (!tile.run(p.pairs, shared)) return;

    const uint32_t* labels = at<const uint32_t>(p.labels);
    const uint32_t* groups = at<const uint32_t>(p.groups);
    tile.for_each_row(p.pairs, shared, [&](const TileRow& row) {
        uint32_t label = labels[row.sample], group = groups[row.sample];
        for (int c = int(threadIdx.x) % 32; c < TILE; c += 32) {
            TilePair pair = row.pair(p.pairs, c);
            if (!pair.valid || labels[pair.other] == label || groups[pair.other] == group) continue;
            double norm = norms(p.pairs, row.i, pair.j), squared = pair.value * p.unit;
            if (is_near(p.pairs, pair.value, norm)) {
                append(p.near_pairs, row.sample, pair.other);
            } else if (open) {
                collect(p, squared, slack(p.pairs, norm) * p.unit + 1e-9 * squared, row.sample, pair.other);
            } else {
                count(p, squared);
            }
        }
    });
}

SHARPDIM_KERNEL(256, ratio_quantiles_u8, RatioQuantilesParams) { ratio_quantiles<Bytes, false>(p); }
SHARPDIM_KERNEL(256, ratio_quantiles_f32, RatioQuantilesParams) { ratio_quantiles<SplitFloats, false>(p); }
SHARPDIM_KERNEL(256, ratio_quantiles_open_f32, RatioQuantilesParams) { ratio_quantiles<SplitFloats, true>(p); }
