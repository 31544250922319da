// All pairs of samples no further from each other than a radius, fused with the tiles of squared distances that
// `neighbours` makes too.
//
// pairs_within_{u8,f32}: grid (tiles, splits), 256 threads. A tile's values go through shared memory half a tile at
// a time; a warp takes rows, a lane every 32nd column. A pair whose least possible squared distance is within reach
// is appended to one list, in whatever order blocks run; the host sorts it. 8-bit: values are squared distances,
// exactly, and are kept beside their pairs. Floats: the host has the candidates recomputed.
// Bound: as the tiles; pairs within reach are few.
#include "common/pair_tile.cuh"

// Mirrored in src/ops/pairs_within/cuda.rs.
struct PairsWithinParams {
    PairParams pairs;
    PairList found;  // with values for 8-bit data
    double reach;
};
static_assert(sizeof(PairsWithinParams) == 152 && offsetof(PairsWithinParams, reach) == 144);

template <class Policy, bool exact> __device__ __forceinline__ void pairs_within(const PairsWithinParams& p) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    PairTile<Policy> tile;
    if (!tile.run(p.pairs, shared)) return;

    const PairParams& pairs = p.pairs;
    int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
    double* value = reinterpret_cast<double*>(shared);
    uint32_t row0 = uint32_t(tile.row_block * TILE), col0 = uint32_t(tile.col_block * TILE);
    for (int half = 0; half < 2; half++) {
        tile.values(pairs, half, value);
        __syncthreads();
        for (int r = warp; r < HALF; r += THREADS / 32) {
            uint32_t i = row0 + uint32_t(half * HALF + r);
            if (i >= pairs.left_rows) break;
            uint32_t sample = pairs.left_first + i;
            for (int c = lane; c < TILE; c += 32) {
                uint32_t j = col0 + uint32_t(c), other = pairs.right_first + j;
                if (j >= pairs.right_rows || sample >= other) continue;
                double v = value[r * VALUE_STRIDE + c];
                if (v - slack(pairs, i, j) > p.reach) continue;
                if (exact) append(p.found, sample, other, v);
                else append(p.found, sample, other);
            }
        }
        __syncthreads();
    }
}

SHARPDIM_KERNEL(256, pairs_within_u8, PairsWithinParams) { pairs_within<Bytes, true>(p); }
SHARPDIM_KERNEL(256, pairs_within_f32, PairsWithinParams) { pairs_within<SplitFloats, false>(p); }
