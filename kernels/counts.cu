// The number of other samples within some radii of each sample, fused with the tiles of squared distances
// that `neighbours` makes too.
//
// counts_{u8,f32}: grid (tiles, splits), 256 threads. A tile's values go through shared memory half a tile at a
// time; a warp takes rows, a lane every 32nd column. A pair within a radius counts for its row, by a vote of the
// warp, whose lane t keeps radius t's count; and for its column, in one byte per radius in the lane, since a warp
// visits at most 16 rows of a tile. Counts are integers, so that sums by atomics do not depend on the order.
// A radius may be given as a range. A pair that may lie in the range, or for floats within its error bound of a
// radius, is not counted, but appended to a list that the host has recomputed and sorted.
// Bound: as the tiles.
#include "common/pair_tile.cuh"

constexpr int MOST_RADII = 8;  // bytes of a lane's column counts

// Mirrored in src/ops/counts/cuda.rs.
struct CountsParams {
    PairParams pairs;
    uint64_t counts;          // uint32, `radii` per sample, 0
    PairList near_pairs;      // recomputed
    uint32_t radii;           // at most MOST_RADII
    uint32_t unused;
    double low[MOST_RADII];   // where each squared radius is, in the values' unit: no less
    double high[MOST_RADII];  // and no more
};
static_assert(sizeof(CountsParams) == 296 && offsetof(CountsParams, high) == 232);

template <class Policy> __device__ __forceinline__ void counts(const CountsParams& p) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    PairTile<Policy> tile;
    if (!tile.run(p.pairs, shared)) return;

    int lane = int(threadIdx.x) % 32;
    unsigned* counts = at<unsigned>(p.counts);
    unsigned long long column[TILE / 32] = {};
    tile.for_each_row(p.pairs, shared, [&](const TileRow& row) {
        unsigned own = 0;  // of radius `lane`
#pragma unroll
        for (int q = 0; q < TILE / 32; q++) {
            TilePair pair = row.pair(p.pairs, q * 32 + lane);
            unsigned within = 0;  // a bit for each radius
            if (pair.valid) {
                double v = pair.value, off = slack(p.pairs, row.i, pair.j);
                bool unsure = false;
                for (uint32_t t = 0; t < p.radii; t++) {
                    if (v + off < p.low[t]) within |= 1u << t;
                    else if (v - off < p.high[t]) unsure = true;
                }
                if (unsure) {
                    within = 0;
                    append(p.near_pairs, row.sample, pair.other);
                }
            }
            for (uint32_t t = 0; t < p.radii; t++) {
                unsigned nearer = within >> t & 1u;
                column[q] += (unsigned long long)nearer << (8 * t);
                unsigned vote = __ballot_sync(0xFFFFFFFFu, nearer);
                if (uint32_t(lane) == t) own += __popc(vote);
            }
        }
        if (own) atomicAdd(counts + size_t(row.sample) * p.radii + lane, own);
    });
#pragma unroll
    for (int q = 0; q < TILE / 32; q++) {
        uint32_t other = p.pairs.right_first + uint32_t(tile.col_block * TILE + q * 32 + lane);
        for (uint32_t t = 0; t < p.radii; t++) {
            unsigned nearer = unsigned(column[q] >> (8 * t)) & 255u;
            if (nearer) atomicAdd(counts + size_t(other) * p.radii + t, nearer);
        }
    }
}

SHARPDIM_KERNEL(256, counts_u8, CountsParams) { counts<Bytes>(p); }
SHARPDIM_KERNEL(256, counts_f32, CountsParams) { counts<SplitFloats>(p); }
