// All pairs of samples within a radius of each other, fused with the tiles of squared distances that
// `neighbours` makes too.
//
// pairs_within_{u8,f32}: grid (tiles, splits), 256 threads. A tile's values go through shared memory half a tile at
// a time; a warp takes rows, a lane every 32nd column. A pair whose lower bound is within the radius is appended to
// one list, in any order; the host sorts it. 8-bit: values are exact squared distances, and are stored with their
// pairs. Floats: the host has the candidates recomputed.
// Bound: as the tiles; pairs within the radius are few.
#include "common/pair_tile.cuh"

// Mirrored in src/ops/pairs_within/cuda.rs.
struct PairsWithinParams {
    PairParams pairs;
    PairList found;  // keeps values for 8-bit data
    double reach;
};
static_assert(sizeof(PairsWithinParams) == 160 && offsetof(PairsWithinParams, reach) == 152);

template <class Policy> __device__ __forceinline__ void pairs_within(const PairsWithinParams& p) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    PairTile<Policy> tile;
    if (!tile.run(p.pairs, shared)) return;

    tile.for_each_row(p.pairs, shared, [&](const TileRow& row) {
        for (int c = int(threadIdx.x) % 32; c < TILE; c += 32) {
            TilePair pair = row.pair(p.pairs, c);
            if (!pair.valid || pair.value - slack(p.pairs, row.i, pair.j) > p.reach) continue;
            append(p.found, row.sample, pair.other, pair.value);
        }
    });
}

SHARPDIM_KERNEL(256, pairs_within_u8, PairsWithinParams) { pairs_within<Bytes>(p); }
SHARPDIM_KERNEL(256, pairs_within_f32, PairsWithinParams) { pairs_within<SplitFloats>(p); }
