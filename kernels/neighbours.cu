// The k nearest other rows of every row, or the nearest reference samples of every query: tiles of squared distances,
// fused with selection.
//
// neighbours_{u8,f32}_{32,64,128,256}: grid (tiles, splits), 256 threads. A tile's values go through shared
// memory half a tile at a time; each warp takes rows, then columns, and offers their values to the samples'
// lists of the L smallest. A tile off the diagonal serves both its rows and its columns, so each pair is
// computed once; with queries and reference samples it serves its rows only, the queries. 8-bit: keys are
// exact squared distances. Floats: keys are lower bounds of squared distances; the host has the candidates
// recomputed and checks that the list was long enough.
#include "common/pair_tile.cuh"
#include "common/warp_list.cuh"

// Mirrored in src/ops/neighbours/cuda.rs.
struct NeighboursParams {
    PairParams pairs;
    uint64_t keys;     // double, L per sample (or query), ascending
    uint64_t indices;  // uint32, L per sample
    uint64_t locks;    // uint32 per sample, 0
    uint64_t unused;
};
static_assert(sizeof(NeighboursParams) == 152 && offsetof(NeighboursParams, keys) == 120);

template <class Policy, int C> __device__ __forceinline__ void neighbours(const NeighboursParams& p) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    using List = WarpList<C, uint32_t>;
    PairTile<Policy> tile;
    if (!tile.run(p.pairs, shared)) return;

    const PairParams& pairs = p.pairs;
    int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
    bool diagonal = tile.on_diagonal(pairs);
    double* value = reinterpret_cast<double*>(shared);
    uint32_t row0 = uint32_t(tile.row_block * TILE), col0 = uint32_t(tile.col_block * TILE);
    auto offer = [&](uint32_t sample, bool has, double key, uint32_t other) {
        double* keys = at<double>(p.keys) + size_t(sample) * 32 * C;
        uint32_t* indices = at<uint32_t>(p.indices) + size_t(sample) * 32 * C;
        List::offer(keys, indices, at<unsigned>(p.locks) + sample, has, key, other);
    };
    for (int half = 0; half < 2; half++) {
        tile.values(pairs, half, value);
        __syncthreads();
        uint32_t half0 = row0 + uint32_t(half * HALF);
        // Rows of this half: 8 per warp, 4 columns per lane.
        for (int r = warp; r < HALF && half0 + uint32_t(r) < pairs.left_rows; r += THREADS / 32) {
            uint32_t i = half0 + uint32_t(r);
            for (int c = lane; c < TILE; c += 32) {
                uint32_t j = col0 + uint32_t(c);
                double v = value[r * VALUE_STRIDE + c];
                bool has = j < pairs.right_rows && !(diagonal && i == j);
                double key = has ? fmax(v - slack(pairs, i, j), 0.0) : 0.0;
                offer(pairs.left_first + i, has, key, pairs.right_first + j);
            }
        }
        // Columns: 16 per warp, 2 rows per lane. On the diagonal they were already processed as rows.
        bool serves_columns = !diagonal && !pairs.between;
        for (int c = warp; c < TILE && col0 + uint32_t(c) < pairs.right_rows && serves_columns; c += THREADS / 32) {
            uint32_t j = col0 + uint32_t(c);
            for (int r = lane; r < HALF; r += 32) {
                uint32_t i = half0 + uint32_t(r);
                bool has = i < pairs.left_rows;
                double v = value[r * VALUE_STRIDE + c];
                double key = has ? fmax(v - slack(pairs, i, j), 0.0) : 0.0;
                offer(pairs.right_first + j, has, key, pairs.left_first + i);
            }
        }
        __syncthreads();
    }
}

SHARPDIM_KERNEL(256, neighbours_u8_32, NeighboursParams) { neighbours<Bytes, 1>(p); }
SHARPDIM_KERNEL(256, neighbours_u8_64, NeighboursParams) { neighbours<Bytes, 2>(p); }
SHARPDIM_KERNEL(256, neighbours_u8_128, NeighboursParams) { neighbours<Bytes, 4>(p); }
SHARPDIM_KERNEL(256, neighbours_u8_256, NeighboursParams) { neighbours<Bytes, 8>(p); }
SHARPDIM_KERNEL(256, neighbours_f32_32, NeighboursParams) { neighbours<SplitFloats, 1>(p); }
SHARPDIM_KERNEL(256, neighbours_f32_64, NeighboursParams) { neighbours<SplitFloats, 2>(p); }
SHARPDIM_KERNEL(256, neighbours_f32_128, NeighboursParams) { neighbours<SplitFloats, 4>(p); }
SHARPDIM_KERNEL(256, neighbours_f32_256, NeighboursParams) { neighbours<SplitFloats, 8>(p); }
