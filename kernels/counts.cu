// How many other samples are nearer to each sample than some radii, counted where the tiles of squared distances
// that `neighbours` makes too are made.
//
// counts_{u8,f32}: grid (tiles, splits), 256 threads. A tile's values go through shared memory half a tile at a
// time; a warp takes rows, a lane every 32nd column. A pair within a radius counts for its row, by a vote of the
// warp, whose lane t keeps radius t's count; and for its column, in a byte for each radius that the lane keeps: a
// warp sees no more than 16 rows of a tile. Counts are integers, so that the atomics that add them up give the same
// in any order. A radius may be given as a range: a pair that may be inside of it, and of floats one whose error bound
// holds a radius, counts for none, and is appended to a list that the host has recomputed and sorted.
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
static_assert(sizeof(CountsParams) == 288 && offsetof(CountsParams, high) == 224);

template <class Policy> __device__ __forceinline__ void counts(const CountsParams& p) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    PairTile<Policy> tile;
    if (!tile.run(p.pairs, shared)) return;

    const PairParams& pairs = p.pairs;
    int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
    double* value = reinterpret_cast<double*>(shared);
    uint32_t row0 = uint32_t(tile.row_block * TILE), col0 = uint32_t(tile.col_block * TILE);
    unsigned* counts = at<unsigned>(p.counts);
    unsigned long long column[TILE / 32] = {};
    for (int half = 0; half < 2; half++) {
        tile.values(pairs, half, value);
        __syncthreads();
        for (int r = warp; r < HALF; r += THREADS / 32) {
            uint32_t i = row0 + uint32_t(half * HALF + r);
            if (i >= pairs.left_rows) break;
            uint32_t sample = pairs.left_first + i;
            unsigned own = 0;  // of radius `lane`
#pragma unroll
            for (int q = 0; q < TILE / 32; q++) {
                int c = q * 32 + lane;
                uint32_t j = col0 + uint32_t(c), other = pairs.right_first + j;
                unsigned within = 0;  // a bit for each radius
                if (j < pairs.right_rows && sample < other) {
                    double v = value[r * VALUE_STRIDE + c], off = slack(pairs, i, j);
                    bool unsure = false;
                    for (uint32_t t = 0; t < p.radii; t++) {
                        if (v + off < p.low[t]) within |= 1u << t;
                        else if (v - off < p.high[t]) unsure = true;
                    }
                    if (unsure) {
                        within = 0;
                        append(p.near_pairs, sample, other);
                    }
                }
                for (uint32_t t = 0; t < p.radii; t++) {
                    unsigned nearer = within >> t & 1u;
                    column[q] += (unsigned long long)nearer << (8 * t);
                    unsigned vote = __ballot_sync(0xFFFFFFFFu, nearer);
                    if (uint32_t(lane) == t) own += __popc(vote);
                }
            }
            if (own) atomicAdd(counts + size_t(sample) * p.radii + lane, own);
        }
        __syncthreads();
    }
#pragma unroll
    for (int q = 0; q < TILE / 32; q++) {
        uint32_t other = pairs.right_first + col0 + uint32_t(q * 32 + lane);
        for (uint32_t t = 0; t < p.radii; t++) {
            unsigned nearer = unsigned(column[q] >> (8 * t)) & 255u;
            if (nearer) atomicAdd(counts + size_t(other) * p.radii + t, nearer);
        }
    }
}

SHARPDIM_KERNEL(256, counts_u8, CountsParams) { counts<Bytes>(p); }
SHARPDIM_KERNEL(256, counts_f32, CountsParams) { counts<SplitFloats>(p); }
