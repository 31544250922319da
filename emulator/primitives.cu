// Test-only kernels, correct ones: every primitive of the emulated device and of ptx.cuh, checked by selftest.cpp.
// They run on a real GPU as well, where they must give the same results.
#include "common/cuda.cuh"
#include "common/ptx.cuh"
#include "test_params.h"

// ---- warp operations: blocks of whole warps -------------------------------------------------------------------------

// Per thread 8 ints: index, up, down and xor shuffles by p.option within p.count lanes, of int, double, float and long
// long; xor of unsigned; a broadcast of unsigned long long; shuffles within half a warp, and within half, then all.
SHARPDIM_KERNEL(1024, test_shuffles, TestParams) {
    int t = int(threadIdx.x), lane = t % 32;
    int* out = at<int>(p.output) + 8 * t;
    unsigned all = 0xFFFFFFFFu;
    out[0] = __shfl_sync(all, 1000 + t, p.option + lane, p.count);
    out[1] = int(__shfl_up_sync(all, 1000.0 + t, unsigned(p.option), p.count));
    out[2] = int(__shfl_down_sync(all, 1000.0f + float(t), unsigned(p.option), p.count));
    out[3] = int(__shfl_xor_sync(all, 1000ll + t, p.option, p.count));
    out[4] = int(__shfl_xor_sync(all, 1000u + unsigned(t), p.option, p.count));
    out[5] = int(__shfl_sync(all, 1000ull + unsigned(t), 7));
    out[6] = -1;
    // Halves of the warp, each with a mask of its own, at the same time.
    if (lane < 16) out[6] = __shfl_sync(0x0000FFFFu, t, 3);
    else out[6] = __shfl_sync(0xFFFF0000u, t, 20);
    // First within half of the warp, then with all lanes.
    int value = t;
    if (lane < 16) value = __shfl_xor_sync(0x0000FFFFu, value, 1);
    out[7] = __shfl_xor_sync(all, value, 16);
}

// Per thread 12 unsigneds from its input value: the votes and reductions.
SHARPDIM_KERNEL(1024, test_votes, TestParams) {
    int t = int(threadIdx.x);
    unsigned value = at<unsigned>(p.input)[t], all = 0xFFFFFFFFu;
    unsigned* out = at<unsigned>(p.output) + 12 * t;
    out[0] = __ballot_sync(all, value & 1u);
    out[1] = unsigned(__any_sync(all, value == 3u));
    out[2] = unsigned(__all_sync(all, value < 4000000000u));
    out[3] = __match_any_sync(all, value % 5u);
    out[4] = __reduce_add_sync(all, value);
    out[5] = unsigned(__reduce_add_sync(all, int(value)));
    out[6] = __reduce_min_sync(all, value);
    out[7] = unsigned(__reduce_min_sync(all, int(value)));
    out[8] = __reduce_max_sync(all, value);
    out[9] = unsigned(__reduce_max_sync(all, int(value)));
    out[10] = __match_any_sync(all, 7ull * (value % 3u));
    out[11] = __reduce_or_sync(all, value) ^ __reduce_and_sync(all, value) ^ __reduce_xor_sync(all, value);
}

// ---- block operations -----------------------------------------------------------------------------------------------

// Shared arrays of templates: one per instance, in sections of their own for the linker.
template <class T> __device__ T sum_of_block(T value) {
    __shared__ T partial[32];
    int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
    for (int step = 16; step; step /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, step);
    if (lane == 0) partial[warp] = value;
    __syncthreads();
    T total = 0;
    for (int i = 0; i < int(blockDim.x) / 32; i++) total += partial[i];
    __syncthreads();
    return total;
}

// Any grid. Per block 6 floats: the sums of its input as float, int and double, and the counts of values above zero.
SHARPDIM_KERNEL(1024, test_block, TestParams) {
    int b = int((blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x), t = int(threadIdx.x);
    float value = at<float>(p.input)[b * int(blockDim.x) + t];
    __shared__ int first;
    if (t == 0) first = int(value);
    float a = sum_of_block(value);
    int i = sum_of_block(int(value));
    double d = sum_of_block(double(value));
    int positive = __syncthreads_count(value > 0.0f), any = __syncthreads_or(value > 90.0f);
    int all = __syncthreads_and(value > -1000.0f);
    float* out = at<float>(p.output) + 6 * b;
    if (t == int(blockDim.x) - 1) {
        out[0] = a;
        out[1] = float(i);
        out[2] = float(d);
        out[3] = float(positive);
        out[4] = float(2 * any + all);
        out[5] = float(first);
    }
}

// Writes each thread's coordinates, in a grid and a block of three dimensions: 6 ints per thread.
SHARPDIM_KERNEL(1024, test_geometry, TestParams) {
    unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    int* out = at<int>(p.output) + 6 * (block * blockDim.x * blockDim.y * blockDim.z + thread);
    out[0] = int(blockIdx.x), out[1] = int(blockIdx.y), out[2] = int(blockIdx.z);
    out[3] = int(threadIdx.x), out[4] = int(threadIdx.y), out[5] = int(threadIdx.z);
}

// output: one of each type, given zeros; every thread of the grid adds its share.
struct AtomicResults {
    int add, least, most, lock, guarded, exchanged;
    unsigned bits_or, bits_and, bits_xor, wrapped;
    unsigned long long long_add, long_most;
    float float_add;
    double double_add;
};

SHARPDIM_KERNEL(1024, test_atomics, TestParams) {
    int t = int(blockIdx.x * blockDim.x + threadIdx.x);
    auto* r = at<AtomicResults>(p.output);
    atomicAdd(&r->add, t);
    atomicMin(&r->least, -t);
    atomicMax(&r->most, t);
    atomicOr(&r->bits_or, 1u << (t % 32));
    atomicAnd(&r->bits_and, ~(1u << (t % 16)));
    atomicXor(&r->bits_xor, unsigned(t));
    atomicInc(&r->wrapped, 9u);
    atomicAdd(&r->long_add, 1ull << 33);
    atomicMax(&r->long_most, (1ull << 40) + unsigned(t));
    atomicAdd(&r->float_add, 0.5f);
    atomicAdd(&r->double_add, 0.25);
    // A lock: spins while another thread holds it.
    for (bool done = false; !done;) {
        if (atomicCAS(&r->lock, 0, 1) == 0) {
            __threadfence();
            r->guarded++;
            __nanosleep(10);  // lets others find the lock taken
            __threadfence();
            atomicExch(&r->lock, 0);
            done = true;
        }
    }
}

// Thread 0 waits for a flag that the last thread sets after its data: acquire and release.
SHARPDIM_KERNEL(1024, test_flag, TestParams) {
    auto* flag = at<unsigned>(p.output);
    if (threadIdx.x == 0) {
        while (atomic_load_acquire(flag) != 1u) {}
        flag[2] = flag[1] + 1u;
    } else if (threadIdx.x == blockDim.x - 1) {
        flag[1] = 41u;
        atomic_store_release(flag, 1u);
    }
}

// ---- tensor cores: one warp, A 16 x k row-major, B k x 8 column-major, C 16 x 8 row-major ---------------------------
// Each element is loaded by the PTX ISA's formulas for "row" and "col" of ai and bi, one by one.

SHARPDIM_KERNEL(32, test_mma_u8, TestParams) {
    const uint8_t *a = at<uint8_t>(p.input), *b = at<uint8_t>(p.other);
    int lane = int(threadIdx.x), group = lane >> 2, in_group = lane % 4;
    uint32_t ra[4] = {0, 0, 0, 0}, rb[2] = {0, 0};
    for (int i = 0; i < 16; i++) {
        int row = (i < 4 || (8 <= i && i < 12)) ? group : group + 8;
        int col = i < 8 ? in_group * 4 + (i & 3) : in_group * 4 + (i & 3) + 16;
        ra[i / 4] |= uint32_t(a[row * 32 + col]) << (8 * (i % 4));
    }
    for (int i = 0; i < 8; i++) {
        int row = i < 4 ? in_group * 4 + (i & 3) : in_group * 4 + (i & 3) + 16;
        rb[i / 4] |= uint32_t(b[group * 32 + row]) << (8 * (i % 4));
    }
    int32_t acc[4] = {1, 2, 3, 4};  // D = A B + C with a C that is not zero
    mma_m16n8k32_u8(acc, ra, rb);
    for (int i = 0; i < 4; i++) {
        int row = i < 2 ? group : group + 8, col = in_group * 2 + (i & 1);
        at<int32_t>(p.output)[row * 8 + col] = acc[i] - (i + 1);
    }
}

SHARPDIM_KERNEL(32, test_mma_bf16, TestParams) {
    const uint16_t *a = at<uint16_t>(p.input), *b = at<uint16_t>(p.other);
    int lane = int(threadIdx.x), group = lane >> 2, in_group = lane % 4;
    uint32_t ra[4] = {0, 0, 0, 0}, rb[2] = {0, 0};
    for (int i = 0; i < 8; i++) {
        int row = (i < 2 || (4 <= i && i < 6)) ? group : group + 8;
        int col = i < 4 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8;
        ra[i / 2] |= uint32_t(a[row * 16 + col]) << (16 * (i % 2));
    }
    for (int i = 0; i < 4; i++) {
        int row = i < 2 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8;
        rb[i / 2] |= uint32_t(b[group * 16 + row]) << (16 * (i % 2));
    }
    float acc[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    mma_m16n8k16_bf16(acc, ra, rb);
    for (int i = 0; i < 4; i++) {
        int row = i < 2 ? group : group + 8, col = in_group * 2 + (i & 1);
        at<float>(p.output)[row * 8 + col] = acc[i];
    }
}

SHARPDIM_KERNEL(32, test_mma_tf32, TestParams) {
    const float *a = at<float>(p.input), *b = at<float>(p.other);
    int lane = int(threadIdx.x), group = lane >> 2, in_group = lane % 4;
    uint32_t ra[4], rb[2];
    for (int i = 0; i < 4; i++) {
        int row = i % 2 == 0 ? group : group + 8, col = i < 2 ? in_group : in_group + 4;
        ra[i] = __float_as_uint(a[row * 8 + col]);
    }
    for (int i = 0; i < 2; i++) rb[i] = __float_as_uint(b[group * 8 + (i == 0 ? in_group : in_group + 4)]);
    float acc[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    mma_m16n8k8_tf32(acc, ra, rb);
    for (int i = 0; i < 4; i++) {
        int row = i < 2 ? group : group + 8, col = in_group * 2 + (i & 1);
        at<float>(p.output)[row * 8 + col] = acc[i];
    }
}

// The bf16 product again, its fragments loaded by ldmatrix. option 0: B column-major, x2; 1: B row-major, x2.trans;
// 2: A column-major as well, x4.trans.
SHARPDIM_KERNEL(32, test_ldmatrix, TestParams) {
    __shared__ __align__(16) uint16_t a[16 * 16];
    __shared__ __align__(16) uint16_t b[16 * 8];
    int lane = int(threadIdx.x);
    for (int i = lane; i < 256; i += 32) a[i] = at<uint16_t>(p.input)[i];
    for (int i = lane; i < 128; i += 32) b[i] = at<uint16_t>(p.other)[i];
    __syncwarp();
    uint32_t ra[4], rb[2];
    int matrix = lane / 8, row = lane % 8;
    if (p.option < 2) ldmatrix_x4(ra, a + (row + matrix % 2 * 8) * 16 + matrix / 2 * 8);
    else ldmatrix_x4_trans(ra, a + (row + matrix / 2 * 8) * 16 + matrix % 2 * 8);
    if (p.option == 0) ldmatrix_x2(rb, b + row * 16 + matrix % 2 * 8);
    else ldmatrix_x2_trans(rb, b + (row + matrix % 2 * 8) * 8);
    float acc[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    mma_m16n8k16_bf16(acc, ra, rb);
    for (int i = 0; i < 4; i++) {
        int r = i < 2 ? lane / 4 : lane / 4 + 8, col = lane % 4 * 2 + (i & 1);
        at<float>(p.output)[r * 8 + col] = acc[i];
    }
}

// ---- cp.async -------------------------------------------------------------------------------------------------------

// One block sums p.count floats of every row of blockDim.x * 4, rows being p.option apart, through three stages of
// dynamic shared memory (3 * 16 * blockDim.x bytes); the last row is short, its end filled with zeros.
SHARPDIM_KERNEL(1024, test_copies, TestParams) {
    SHARPDIM_DYNAMIC_SHARED(memory);
    int width = int(blockDim.x) * 4, rows = (p.count + width - 1) / width, t = int(threadIdx.x);
    auto stage = [&](int row) { return reinterpret_cast<float*>(memory) + row % 3 * width; };
    auto load = [&](int row) {
        if (row < rows) {
            int left = (p.count - row * width - 4 * t) * 4, bytes = left < 0 ? 0 : left > 16 ? 16 : left;
            const float* from = at<float>(p.input) + (bytes ? row * width + 4 * t : 0);
            cp_async_16(stage(row) + 4 * t, from, bytes);
        }
        cp_async_commit();
    };
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    load(0);
    load(1);
    for (int row = 0; row < rows; row++) {
        cp_async_wait<1>();
        __syncthreads();
        load(row + 2);
        int other = width - 4 * (t + 1);  // another thread's copy: the barrier is needed
        for (int i = 0; i < 4; i++) sum[i] += stage(row)[other + i];
    }
    cp_async_wait<0>();
    for (int i = 0; i < 4; i++) at<float>(p.output)[width - 4 * (t + 1) + i] = sum[i];
}

// Small copies: 8 and 4 bytes, whole and partly filled with zeros.
SHARPDIM_KERNEL(32, test_small_copies, TestParams) {
    __shared__ __align__(16) unsigned tile[8];
    const unsigned* in = at<unsigned>(p.input);
    if (threadIdx.x == 0) {
        cp_async_8(tile, in);
        cp_async_8(tile + 2, in + 2, 4);
        cp_async_4(tile + 4, in + 4);
        cp_async_4(tile + 5, in + 5, 0);
        cp_async_commit();
        cp_async_wait<0>();
    }
    __syncthreads();
    if (threadIdx.x < 6) at<unsigned>(p.output)[threadIdx.x] = tile[threadIdx.x];
}

// ---- arithmetic: one thread -----------------------------------------------------------------------------------------

// The inputs come from memory, so that neither compiler computes the results itself.
SHARPDIM_KERNEL(32, test_arithmetic, TestParams) {
    const unsigned* in = at<unsigned>(p.input);  // 0x12345678, 0x9ABCDEF0, 5, 0, 0x80000000
    const float* f = at<float>(p.other);         // 2.5, -2.5, 3e9, NaN, 1.00390625 (a tie between two bfloat16), 1e-8
    unsigned* out = at<unsigned>(p.output);
    int n = 0;
    out[n++] = unsigned(__popc(in[0]));
    out[n++] = unsigned(__popcll((unsigned long long)(in[0]) << 32 | in[1]));
    out[n++] = unsigned(__clz(int(in[2])));
    out[n++] = unsigned(__clz(int(in[3])));
    out[n++] = unsigned(__ffs(int(in[4])));
    out[n++] = unsigned(__ffs(int(in[3])));
    out[n++] = __brev(in[0]);
    out[n++] = __byte_perm(in[0], in[1], 0x7B20);
    out[n++] = __umulhi(in[0], in[1]);
    out[n++] = unsigned(__dp4a(int(in[0]), int(in[1]), 100));
    out[n++] = __dp4a(in[0], in[1], 100u);
    out[n++] = __funnelshift_l(in[0], in[1], in[2]);
    out[n++] = unsigned(__float2int_rn(f[0]));
    out[n++] = unsigned(__float2int_rn(f[1]));
    out[n++] = unsigned(__float2int_rz(f[1]));
    out[n++] = unsigned(__float2int_rd(f[1]));
    out[n++] = unsigned(__float2int_rn(f[2]));
    out[n++] = unsigned(__float2int_rn(f[3]));
    out[n++] = __float2uint_rn(f[1]);
    out[n++] = __float_as_uint(min(f[0], f[3]));
    out[n++] = __float_as_uint(fmaxf(f[1], f[3]));
    out[n++] = __float_as_uint(fmaf(f[0], f[0], f[1]));
    out[n++] = __bfloat16_as_ushort(__float2bfloat16(f[4]));
    out[n++] = __bfloat16_as_ushort(__float2bfloat16(f[0]) * __float2bfloat16(f[1]));
    out[n++] = __half_as_ushort(__float2half(f[1]));
    out[n++] = __half_as_ushort(__float2half(f[2]));
    out[n++] = __half_as_ushort(__float2half(f[5]));
    out[n++] = __float_as_uint(__half2float(__ushort_as_half(0x0001)));
    __nv_bfloat162 pair = __floats2bfloat162_rn(f[0], f[1]);
    out[n++] = __float_as_uint(__low2float(pair) - __high2float(pair));
    float2 wide = __bfloat1622float2(__hmul2(pair, pair));
    out[n++] = __float_as_uint(wide.x + wide.y);
    out[n++] = unsigned(min(int(in[1]), 7) + max(int(in[1]), 7));
    out[n++] = __float_as_uint(__saturatef(f[3]) + __saturatef(f[0]));
    out[n++] = __float_as_uint(__fadd_rd(f[0], f[5]));
    out[n++] = __float_as_uint(__fadd_ru(f[0], f[5]));
    out[n++] = __float_as_uint(__fsub_rd(f[0], f[5]));
    out[n++] = __float_as_uint(__fsub_ru(f[0], f[5]));
    out[n++] = __float_as_uint(__fadd_rd(f[0], f[1]));
    out[n++] = __float_as_uint(__fadd_ru(f[0], f[1]));
    out[n++] = __float_as_uint(__double2float_rd(double(f[1]) - double(f[5])));
    out[n++] = __float_as_uint(__double2float_ru(double(f[1]) - double(f[5])));
    double sine, cosine;
    sincospi(double(f[0]), &sine, &cosine);
    out[n++] = __float_as_uint(float(sine)) + unsigned(fabs(cosine) < 1e-15);
    out[n++] = unsigned(sizeof(float4) + alignof(float4) + alignof(float3) + alignof(uchar4) + alignof(double2));
}

// p.count rounds of barriers (option 0) or warp shuffles (1), for timing.
SHARPDIM_KERNEL(1024, test_rounds, TestParams) {
    int value = int(threadIdx.x);
    for (int i = 0; i < p.count; i++) {
        if (p.option) value = __shfl_xor_sync(0xFFFFFFFFu, value, 1);
        else __syncthreads();
    }
    at<int>(p.output)[blockIdx.x * blockDim.x + threadIdx.x] = value;
}
