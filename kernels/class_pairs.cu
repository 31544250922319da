// For every two classes the sum of 1/distance, the number of pairs, and candidates for the closest pair, fused with the
// tiles of squared distances that `neighbours` makes too.
//
// class_pairs_{u8,f32}: grid (tiles, splits), 256 threads. A tile's values go through shared memory half a tile at a time;
// a warp takes rows, a lane every 32nd column. Two classes a <= b have cell b (b + 1) / 2 + a. Sums are integers: of each
// pair's 1/distance, in a unit that the host chose, the whole and the next 32 bits, so that atomics add up to the same in
// any order. With few classes, a block keeps their cells in shared memory. With samples sorted by class, a warp's pairs
// belong to one cell: they are summed first, since 32 atomics on one address would serialise.
// A pair that may be the closest of its cell so far is appended to a list with its lower bound, so that the closest
// pair is always listed, in any order. Pairs whose value is not accurate enough, and those whose sum could overflow,
// are appended to another list. The host has both recomputed.
// Bound: as the tiles with few classes or sorted samples; else atomics.
#include "common/pair_tile.cuh"

using Word = unsigned long long;

// Mirrored in src/ops/class_pairs/cuda.rs.
struct Cell {
    Word whole;  // of 1/distance * scale, rounded down
    Word rest;   // of what that leaves, in 2^-32
    Word pairs;
    Word upper;  // bits of the least upper bound of a value
};
struct ClassPairsParams {
    PairParams pairs;
    uint64_t classes;      // uint32 per sample
    uint64_t groups;       // uint32 per sample: identical samples share one
    uint64_t cells;        // Cell for each two classes; uppers as large as can be
    PairList near_pairs;   // recomputed: of values that is_near, or adding more than `most`
    PairList candidates;   // with lower bounds of their values
    uint32_t shared_cells; // so many cells are kept in shared memory: all of them, or 0
    uint32_t unused;
    double scale;          // 1/distance times this is in the unit of the sums
    double most;           // in that unit
};
static_assert(sizeof(Cell) == 32);
static_assert(sizeof(ClassPairsParams) == 232 && offsetof(ClassPairsParams, scale) == 216);

__device__ __forceinline__ Word all_lanes_sum(Word value) {
    for (int step = 16; step; step /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, step);
    return value;
}

__device__ __forceinline__ Word all_lanes_least(Word value) {
    for (int step = 16; step; step /= 2) {
        Word other = __shfl_xor_sync(0xFFFFFFFFu, value, step);
        value = other < value ? other : value;
    }
    return value;
}

__device__ __forceinline__ void add(Cell* cell, Word whole, Word rest, Word pairs, Word upper) {
    atomicAdd(&cell->whole, whole);
    atomicAdd(&cell->rest, rest);
    atomicAdd(&cell->pairs, pairs);
    atomicMin(&cell->upper, upper);
}

template <class Policy> __device__ __forceinline__ void class_pairs(const ClassPairsParams& p) {
    SHARPDIM_DYNAMIC_SHARED(shared);
    constexpr unsigned ALL = 0xFFFFFFFFu;
    PairTile<Policy> tile;
    if (!tile.run(p.pairs, shared)) return;

    int lane = int(threadIdx.x) % 32;
    const uint32_t* classes = at<const uint32_t>(p.classes);
    const uint32_t* groups = at<const uint32_t>(p.groups);
    Cell* all = at<Cell>(p.cells);
    // Behind the values.
    Cell* own = reinterpret_cast<Cell*>(shared + HALF * VALUE_STRIDE * sizeof(double));
    for (uint32_t c = threadIdx.x; c < p.shared_cells; c += THREADS) {
        own[c] = Cell{0, 0, 0, static_cast<const volatile Cell*>(all)[c].upper};
    }
    Cell* cells = p.shared_cells ? own : all;
    tile.for_each_row(p.pairs, shared, [&](const TileRow& row) {
        uint32_t a = classes[row.sample], group = groups[row.sample];
        for (int c = lane; c < TILE; c += 32) {
            TilePair pair = row.pair(p.pairs, c);
            bool counts = pair.valid && groups[pair.other] != group;
            uint32_t cell = 0;
            double v = pair.value, low = v;
            Word whole = 0, rest = 0, upper = ~Word(0);
            if (counts) {
                uint32_t b = classes[pair.other], greater = a < b ? b : a;
                cell = greater * (greater + 1) / 2 + (a < b ? a : b);
                double norm = norms(p.pairs, row.i, pair.j), inverse = p.scale / sqrt(v);
                if (!is_near(p.pairs, v, norm) && inverse < p.most) {
                    double off = slack(p.pairs, norm);
                    whole = Word(inverse);
                    rest = Word((inverse - double(whole)) * 4294967296.0);
                    low = v - off;
                    upper = Word(__double_as_longlong(v + off));
                } else {
                    append(p.near_pairs, row.sample, pair.other);
                    counts = false;
                }
            }
            unsigned counting = __ballot_sync(ALL, counts);
            if (counting == 0) continue;
            uint32_t first = __shfl_sync(ALL, cell, __ffs(int(counting)) - 1);
            if (__all_sync(ALL, !counts || cell == first)) {
                whole = all_lanes_sum(whole), rest = all_lanes_sum(rest), upper = all_lanes_least(upper);
                if (lane == 0) add(cells + first, whole, rest, Word(__popc(counting)), upper);
                __syncwarp();
            } else if (counts) {
                add(cells + cell, whole, rest, 1, upper);
            }
            if (counts) {
                Word known = static_cast<const volatile Cell*>(cells)[cell].upper;
                if (low <= __longlong_as_double((long long)known)) append(p.candidates, row.sample, pair.other, low);
            }
        }
    });
    for (uint32_t c = threadIdx.x; c < p.shared_cells; c += THREADS) {
        if (own[c].pairs) add(all + c, own[c].whole, own[c].rest, own[c].pairs, own[c].upper);
    }
}

SHARPDIM_KERNEL(256, class_pairs_u8, ClassPairsParams) { class_pairs<Bytes>(p); }
SHARPDIM_KERNEL(256, class_pairs_f32, ClassPairsParams) { class_pairs<SplitFloats>(p); }
