// One tile of a matrix product, sum[m][n] = sum over d of left[m][d] right[n][d], for operands that are gathered on the
// fly, as in convolutions. A Source defines the addresses of an operand's values.
//
// A block of 256 threads (8 warps) owns ROWS x COLS sums; a warp owns ROWS * COLS / 256 x 32 of them, a thread 64 (128 x
// 128) or 32 (128 x 64, 64 x 128). Floats are multiplied as floats, one fused multiply-add for each product; bfloat16 on
// the tensor cores, with sums in float. Each sum runs over d upwards: it depends on the operands only.
//
// A step is 64 bytes of d: 16 floats or 32 bfloat16. A line (row of left, column of right) lies in memory along d, or
// beside other lines' values of the same d; both are copied to shared memory in that layout, in chunks of 16 bytes,
// swizzled so that reads have no bank conflicts. Chunks are copied by cp.async through 4 stages of 12 or 16 KiB; or, where
// there are no whole chunks (channels that are no multiple of a chunk), value by value through registers and 2 stages.
// Bound: arithmetic, of the FMA pipes or of mma.sync, from about two hundred blocks on.
#pragma once

#include "cuda.cuh"
#include "ptx.cuh"

constexpr int PRODUCT_THREADS = 256;
constexpr int LINE_BYTES = 64;  // of a line in a step
// Values of 16 bytes, and d of a step.
template <class T> constexpr int CHUNK = 16 / int(sizeof(T));
template <class T> constexpr int STEP = LINE_BYTES / int(sizeof(T));

// The offset that a Source gives for a missing value, which counts as 0.
constexpr uint32_t NOWHERE = 0xFFFFFFFFu;

// One operand's part of a stage: LINES lines, ALONG d or across it; and the chunks of it that a thread copies.
template <class T, int LINES_, bool ALONG_> struct Side {
    static constexpr int LINES = LINES_;
    static constexpr bool ALONG = ALONG_;
    static constexpr int BYTES = LINES * LINE_BYTES;
    static constexpr int CHUNKS = BYTES / 16 / PRODUCT_THREADS;  // of a thread
    static constexpr int ACROSS = LINES / CHUNK<T>;              // chunks of one d, where lines lie side by side

    // The offset of a chunk: of a line along d ..
    static __device__ __forceinline__ int along(int line, int chunk) {
        // 8 lines' chunks of the same d fall into 8 different bank groups.
        return line * LINE_BYTES + ((chunk ^ ((line >> 1) & 3)) << 4);
    }
    // .. and of lines 16 bytes side by side. So do chunks of the same lines at 8 following d, or of 8 at one.
    static __device__ __forceinline__ int across(int d, int chunk) {
        return d * (LINES * int(sizeof(T))) + ((chunk ^ (d & 7)) << 4);
    }

    // The first line, the first d and the position of chunk i of this thread.
    static __device__ __forceinline__ int line(int i) {
        int t = int(threadIdx.x);
        return ALONG ? t / 4 + i * (PRODUCT_THREADS / 4) : t % ACROSS * CHUNK<T>;
    }
    static __device__ __forceinline__ int depth(int i) {
        int t = int(threadIdx.x);
        return ALONG ? t % 4 * CHUNK<T> : t / ACROSS + i * (PRODUCT_THREADS / ACROSS);
    }
    static __device__ __forceinline__ int place(int i) {
        return ALONG ? along(line(i), int(threadIdx.x) % 4) : across(depth(i), int(threadIdx.x) % ACROSS);
    }
};

// A chunk, value by value, in the order of memory.
__device__ __forceinline__ void put_value(uint32_t word[4], int e, const float* from) {
    word[e] = *reinterpret_cast<const uint32_t*>(from);
}
__device__ __forceinline__ void put_value(uint32_t word[4], int e, const __nv_bfloat16* from) {
    word[e / 2] |= uint32_t(*reinterpret_cast<const uint16_t*>(from)) << (16 * (e % 2));
}

template <class T> struct ProductSums;

// Floats. Lane l of a warp owns rows l % 8 of each 8 (or 4 following rows of each 32, where lines lie side by side),
// and 8 following columns.
template <> struct ProductSums<float> {
    static constexpr int RUN = 4;  // columns that follow each other in a thread's sums

    template <bool ALONG> static __device__ __forceinline__ int row_of(int i) {
        int lane = int(threadIdx.x) % 32;
        return ALONG ? i * 8 + lane % 8 : i / 4 * 32 + lane % 8 * 4 + i % 4;
    }
    static __device__ __forceinline__ int col_of(int j) { return int(threadIdx.x) % 32 / 8 * 8 + j; }

    template <int I> static __device__ __forceinline__ float& value(float (&sum)[I][8], int i, int j) {
        return sum[i][j];
    }

    static __device__ __forceinline__ float4 four(const unsigned char* from) {
        return *reinterpret_cast<const float4*>(from);
    }
    static __device__ __forceinline__ float2 two(const unsigned char* from) {
        return *reinterpret_cast<const float2*>(from);
    }
    static __device__ __forceinline__ void unpack(float* to, float4 v) {
        to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
    }

    template <class Left, class Right, int I>
    static __device__ __forceinline__ void multiply(float (&sum)[I][8], const unsigned char* left,
                                                    const unsigned char* right, int warp_row, int warp_col) {
        int lane = int(threadIdx.x) % 32;
        int col = warp_col + lane / 8 * 8;
        if constexpr (Left::ALONG) {
            // Two d at a time: four would exceed the registers.
#pragma unroll 1
            for (int half = 0; half < STEP<float> / 2; half++) {
                float2 a[I];
#pragma unroll
                for (int i = 0; i < I; i++)
                    a[i] = two(left + Left::along(warp_row + i * 8 + lane % 8, half / 2) + half % 2 * 8);
                if constexpr (Right::ALONG) {
#pragma unroll
                    for (int j = 0; j < 8; j++) {
                        float2 b = two(right + Right::along(col + j, half / 2) + half % 2 * 8);
#pragma unroll
                        for (int i = 0; i < I; i++) sum[i][j] += a[i].x * b.x;
#pragma unroll
                        for (int i = 0; i < I; i++) sum[i][j] += a[i].y * b.y;
                    }
                } else {
#pragma unroll
                    for (int d = 0; d < 2; d++) {
                        float b[8];
                        unpack(b, four(right + Right::across(half * 2 + d, col / 4)));
                        unpack(b + 4, four(right + Right::across(half * 2 + d, col / 4 + 1)));
#pragma unroll
                        for (int i = 0; i < I; i++)
#pragma unroll
                            for (int j = 0; j < 8; j++) sum[i][j] += (d == 0 ? a[i].x : a[i].y) * b[j];
                    }
                }
            }
        } else {
            static_assert(!Right::ALONG);
#pragma unroll 4
            for (int d = 0; d < STEP<float>; d++) {
                float a[I], b[8];
#pragma unroll
                for (int i = 0; i < I; i += 4)
                    unpack(a + i, four(left + Left::across(d, warp_row / 4 + i / 4 * 8 + lane % 8)));
                unpack(b, four(right + Right::across(d, col / 4)));
                unpack(b + 4, four(right + Right::across(d, col / 4 + 1)));
#pragma unroll
                for (int i = 0; i < I; i++)
#pragma unroll
                    for (int j = 0; j < 8; j++) sum[i][j] += a[i] * b[j];
            }
        }
    }
};

// bfloat16: sums as mma's fragments hold them, 16 rows and 8 columns each.
template <> struct ProductSums<__nv_bfloat16> {
    static constexpr int RUN = 2;

    template <bool> static __device__ __forceinline__ int row_of(int i) {
        return i * 8 + int(threadIdx.x) % 32 / 4;
    }
    static __device__ __forceinline__ int col_of(int j) { return j / 2 * 8 + int(threadIdx.x) % 4 * 2 + j % 2; }

    // Fragment m, n is sum[2 m] and sum[2 m + 1], of which 4 values each belong to two fragments.
    template <int I> static __device__ __forceinline__ float& value(float (&sum)[I][8], int i, int j) {
        return sum[i / 2 * 2 + j / 4][j / 2 % 2 * 4 + i % 2 * 2 + j % 2];
    }

    template <class Left, class Right, int I>
    static __device__ __forceinline__ void multiply(float (&sum)[I][8], const unsigned char* left,
                                                    const unsigned char* right, int warp_row, int warp_col) {
        int lane = int(threadIdx.x) % 32;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            uint32_t a[I / 2][4], b[4][2];
            // A fragment of 16 rows and 16 d is four matrices of 8 x 8: rows 0-7 and 8-15 at the first 8 d, then at the
            // other 8.
#pragma unroll
            for (int m = 0; m < I / 2; m++) {
                if constexpr (Left::ALONG)
                    ldmatrix_x4(a[m], left + Left::along(warp_row + m * 16 + lane % 16, half * 2 + lane / 16));
                else
                    ldmatrix_x4_trans(a[m], left + Left::across(half * 16 + lane / 16 * 8 + lane % 8,
                                                                warp_row / 8 + m * 2 + lane / 8 % 2));
            }
            // Two fragments of 8 columns at a time: columns 0-7 at the first and the other 8 d, then columns 8-15.
#pragma unroll
            for (int n = 0; n < 4; n += 2) {
                uint32_t four[4];
                if constexpr (Right::ALONG)
                    ldmatrix_x4(four, right + Right::along(warp_col + n * 8 + lane / 16 * 8 + lane % 8,
                                                           half * 2 + lane / 8 % 2));
                else
                    ldmatrix_x4_trans(four, right + Right::across(half * 16 + lane / 8 % 2 * 8 + lane % 8,
                                                                  warp_col / 8 + n + lane / 16));
                b[n][0] = four[0], b[n][1] = four[1];
                b[n + 1][0] = four[2], b[n + 1][1] = four[3];
            }
#pragma unroll
            for (int m = 0; m < I / 2; m++)
#pragma unroll
                for (int n = 0; n < 4; n++) mma_m16n8k16_bf16(&sum[m * 2 + n / 2][n % 2 * 4], a[m], b[n]);
        }
    }
};

// A tile being computed, in registers.
//
// A Source of a side has `values`, the start of its tensor; `whole`, whether its chunks can be copied whole;
// `step(d)`, which moves to the step whose first d is this; `offset(i)`, the offset of chunk i of this thread, or
// NOWHERE; and `each(i, put)`, which calls put(e, offset or NOWHERE) for every value e of chunk i.
template <class T, class Left_, class Right_, bool COPIED> struct ProductTile {
    using Left = Left_;
    using Right = Right_;
    using Sums = ProductSums<T>;
    static constexpr int STAGES = COPIED ? 4 : 2;
    static constexpr int STAGE_BYTES = Left::BYTES + Right::BYTES;
    static constexpr int SHARED_BYTES = STAGES * STAGE_BYTES;
    static constexpr int WARPS_ACROSS = Right::LINES / 32;
    static constexpr int WARP_ROWS = Left::LINES * WARPS_ACROSS / (PRODUCT_THREADS / 32);
    static constexpr int I = WARP_ROWS / 8;  // rows of a thread, which has 8 columns
    static constexpr int RUN = Sums::RUN;
    float sum[I][8];
    uint4 held[COPIED ? 1 : Left::CHUNKS + Right::CHUNKS];

    static __device__ __forceinline__ int warp_row() { return int(threadIdx.x) / 32 / WARPS_ACROSS * WARP_ROWS; }
    static __device__ __forceinline__ int warp_col() { return int(threadIdx.x) / 32 % WARPS_ACROSS * 32; }

    // Row i and column j of this thread, within the tile, and their sum.
    static __device__ __forceinline__ int row_of(int i) { return warp_row() + Sums::template row_of<Left::ALONG>(i); }
    static __device__ __forceinline__ int col_of(int j) { return warp_col() + Sums::col_of(j); }
    __device__ __forceinline__ float value(int i, int j) { return Sums::value(sum, i, j); }

    // Starts copying this step's chunks: into the stage, or into registers.
    template <class Part, class Source>
    __device__ __forceinline__ void start(Source& source, uint32_t step, unsigned char* stage, uint4* held) {
        source.step(step * STEP<T>);
#pragma unroll
        for (int i = 0; i < Part::CHUNKS; i++) {
            if constexpr (COPIED) {
                uint32_t offset = source.offset(i);
                // Missing values are filled with zeros; their source is any valid address, the tensor's first.
                bool there = offset != NOWHERE;
                cp_async_16(stage + Part::place(i), source.values + (there ? offset : 0), there ? 16 : 0);
            } else if (source.whole) {
                uint32_t offset = source.offset(i);
                held[i] = make_uint4(0, 0, 0, 0);
                if (offset != NOWHERE) held[i] = *reinterpret_cast<const uint4*>(source.values + offset);
            } else {
                uint32_t word[4] = {0, 0, 0, 0};
                source.each(i, [&](int e, uint32_t offset) {
                    if (offset != NOWHERE) put_value(word, e, source.values + offset);
                });
                held[i] = make_uint4(word[0], word[1], word[2], word[3]);
            }
        }
    }

    template <class Part> __device__ __forceinline__ void finish(unsigned char* stage, const uint4* held) {
#pragma unroll
        for (int i = 0; i < Part::CHUNKS; i++) *reinterpret_cast<uint4*>(stage + Part::place(i)) = held[i];
    }

    // Sums up steps first .. last.
    template <class LeftSource, class RightSource>
    __device__ __forceinline__ void run(LeftSource& left, RightSource& right, uint32_t first, uint32_t last,
                                        unsigned char* shared) {
#pragma unroll
        for (int i = 0; i < I; i++)
#pragma unroll
            for (int j = 0; j < 8; j++) sum[i][j] = 0;
        auto stage_of = [&](uint32_t step) { return shared + step % STAGES * STAGE_BYTES; };
        auto begin = [&](uint32_t step) {
            start<Left>(left, step, stage_of(step), held);
            start<Right>(right, step, stage_of(step) + Left::BYTES, held + (COPIED ? 0 : Left::CHUNKS));
        };
        auto end = [&](uint32_t step) {
            if constexpr (!COPIED) {
                finish<Left>(stage_of(step), held);
                finish<Right>(stage_of(step) + Left::BYTES, held + Left::CHUNKS);
            }
        };
        for (uint32_t step = first; step < first + STAGES - 1; step++) {
            if (step < last) begin(step), end(step);
            cp_async_commit();
        }
        for (uint32_t step = first; step < last; step++) {
            // This step's copies are all but the latest STAGES - 2 groups; the barrier makes all threads' copies
            // visible, and ensures that all have read the stage that is filled next.
            cp_async_wait<STAGES - 2>();
            __syncthreads();
            uint32_t next = step + STAGES - 1;
            if (next < last) begin(next);
            cp_async_commit();
            Sums::template multiply<Left, Right>(sum, stage_of(step), stage_of(step) + Left::BYTES, warp_row(),
                                                 warp_col());
            if (next < last) end(next);
        }
        cp_async_wait<0>();
    }
};
