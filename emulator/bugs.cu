// Test-only kernels, one deliberate bug each: what the emulated device must catch (selftest.cpp says how).
// Unless noted: one block of p.count threads, input and output of p.count floats each.
#include "common/cuda.cuh"
#include "common/ptx.cuh"
#include "test_params.h"

// Hides a value from the host compiler's analysis, so that it neither warns of the bug nor optimises by it.
template <class T> __device__ __forceinline__ T hide(T value) {
#if !defined(__CUDACC__)
    asm("" : "+r"(value));
#endif
    return value;
}

// ---- barriers and warp operations -----------------------------------------------------------------------------------

// Thread 5 leaves before the barrier.
SHARPDIM_KERNEL(1024, bug_missed_barrier, TestParams) {
    if (threadIdx.x == 5) return;
    __syncthreads();
    at<float>(p.output)[threadIdx.x] = 1.0f;
}

// All threads wait, but at different barriers.
SHARPDIM_KERNEL(1024, bug_divergent_barriers, TestParams) {
    if (threadIdx.x % 2 == 0) {
        __syncthreads();
    } else {
        __syncthreads();
    }
    at<float>(p.output)[threadIdx.x] = 1.0f;
}

// Lanes 0..15 shuffle among themselves but read from lanes 16..31.
SHARPDIM_KERNEL(1024, bug_shuffle_from_outside_mask, TestParams) {
    float value = at<float>(p.input)[threadIdx.x];
    if (threadIdx.x % 32 < 16) value = __shfl_down_sync(0x0000FFFFu, value, 8);
    at<float>(p.output)[threadIdx.x] = value;
}

// All lanes shuffle with a mask of only half of them.
SHARPDIM_KERNEL(1024, bug_shuffle_by_lane_outside_mask, TestParams) {
    at<float>(p.output)[threadIdx.x] = __shfl_xor_sync(0x0000FFFFu, at<float>(p.input)[threadIdx.x], 1);
}

// Half of the warp never reaches an operation whose mask has all lanes.
SHARPDIM_KERNEL(1024, bug_divergent_collective, TestParams) {
    float value = at<float>(p.input)[threadIdx.x];
    if (threadIdx.x % 32 < 16) value = __shfl_xor_sync(0xFFFFFFFFu, value, 1);
    at<float>(p.output)[threadIdx.x] = value;
}

// The halves of a warp are at different operations, each with a mask of all lanes.
SHARPDIM_KERNEL(1024, bug_mixed_collectives, TestParams) {
    float value;
    if (threadIdx.x % 32 < 16) value = __shfl_xor_sync(0xFFFFFFFFu, 1.0f, 1);
    else value = float(__ballot_sync(0xFFFFFFFFu, 1));
    at<float>(p.output)[threadIdx.x] = value;
}

// Half of a warp waits at a barrier, half at an operation with a mask of all lanes.
SHARPDIM_KERNEL(1024, bug_barrier_in_collective, TestParams) {
    if (threadIdx.x % 32 < 16) __syncthreads();
    at<float>(p.output)[threadIdx.x] = float(__popc(__ballot_sync(0xFFFFFFFFu, 1)));
    if (threadIdx.x % 32 >= 16) __syncthreads();
}

// Waits for a flag that is never set.
SHARPDIM_KERNEL(1024, bug_spin, TestParams) {
    while (atomic_load_acquire(at<unsigned>(p.output)) != 12345u) {}
}

// ---- memory -------------------------------------------------------------------------------------------------------

SHARPDIM_KERNEL(1024, bug_read_past_end, TestParams) {
    at<float>(p.output)[threadIdx.x] = at<float>(p.input)[threadIdx.x + 1];
}

SHARPDIM_KERNEL(1024, bug_read_before_start, TestParams) {
    at<float>(p.output)[threadIdx.x] = at<float>(p.input)[int(threadIdx.x) - 1];
}

SHARPDIM_KERNEL(1024, bug_write_past_end, TestParams) { at<float>(p.output)[threadIdx.x + 1] = 1.0f; }

SHARPDIM_KERNEL(1024, bug_write_before_start, TestParams) { at<float>(p.output)[int(threadIdx.x) - 1] = 1.0f; }

// Writes one float more than p.count.
SHARPDIM_KERNEL(1024, bug_dynamic_shared_overflow, TestParams) {
    SHARPDIM_DYNAMIC_SHARED(memory);
    float* tile = reinterpret_cast<float*>(memory);
    tile[threadIdx.x + 1] = 1.0f;
    __syncthreads();
    at<float>(p.output)[threadIdx.x] = 1.0f;
}

// Blocks of up to 64 threads; thread 63 writes beyond the array. Caught in sanitized builds only.
SHARPDIM_KERNEL(64, bug_static_shared_overflow, TestParams) {
    __shared__ float tile[64];
    float* moved = hide(&tile[0]);
    moved[threadIdx.x + 1] = 1.0f;
    __syncthreads();
    at<float>(p.output)[threadIdx.x] = tile[threadIdx.x];
}

// option 0: reads uninitialised static shared memory (poisoned in plain builds), 1: dynamic (in all builds).
SHARPDIM_KERNEL(64, bug_uninitialised_shared, TestParams) {
    __shared__ float tile[64];
    SHARPDIM_DYNAMIC_SHARED(memory);
    float* source = p.option ? reinterpret_cast<float*>(memory) : tile;
    if (hide(0)) source[threadIdx.x] = 0.0f;
    __syncthreads();
    at<float>(p.output)[threadIdx.x] = source[threadIdx.x];
}

// Does not write the second half of the output.
SHARPDIM_KERNEL(1024, bug_uninitialised_output, TestParams) {
    if (int(threadIdx.x) < p.count / 2) at<float>(p.output)[threadIdx.x] = 1.0f;
}

// No barrier between writing shared memory and reading the neighbour's value: the result depends on the order.
SHARPDIM_KERNEL(1024, bug_shared_race, TestParams) {
    SHARPDIM_DYNAMIC_SHARED(memory);
    float* tile = reinterpret_cast<float*>(memory);
    tile[threadIdx.x] = 0.0f;
    __syncthreads();
    tile[threadIdx.x] = at<float>(p.input)[threadIdx.x];
    at<float>(p.output)[threadIdx.x] = tile[(threadIdx.x + blockDim.x - 1) % blockDim.x];
}

// The same within one warp: __syncwarp is missing.
SHARPDIM_KERNEL(32, bug_warp_race, TestParams) {
    __shared__ float tile[32];
    tile[threadIdx.x] = 0.0f;
    __syncwarp();
    tile[threadIdx.x] = at<float>(p.input)[threadIdx.x];
    at<float>(p.output)[threadIdx.x] = tile[threadIdx.x ^ 1];
}

// ---- cp.async: dynamic shared memory of 4 * p.count bytes, p.count a multiple of 4 ----------------------------------

// option 0: reads before the wait, 1: waits, but for too few groups, 2: never waits at all.
SHARPDIM_KERNEL(1024, bug_missing_copy_wait, TestParams) {
    SHARPDIM_DYNAMIC_SHARED(memory);
    float* tile = reinterpret_cast<float*>(memory);
    if (int(threadIdx.x) * 4 < p.count) cp_async_16(tile + 4 * threadIdx.x, at<float>(p.input) + 4 * threadIdx.x);
    cp_async_commit();
    if (p.option == 1) cp_async_wait<1>();
    __syncthreads();
    at<float>(p.output)[threadIdx.x] = tile[threadIdx.x];
    if (p.option != 2) cp_async_wait<0>();
}

SHARPDIM_KERNEL(1024, bug_misaligned_copy, TestParams) {
    SHARPDIM_DYNAMIC_SHARED(memory);
    float* tile = reinterpret_cast<float*>(memory);
    if (threadIdx.x == 0) cp_async_16(tile, at<float>(p.input) + 1);
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    at<float>(p.output)[threadIdx.x] = tile[0];
}

// ---- undefined behaviour: UBSan's -----------------------------------------------------------------------------------

SHARPDIM_KERNEL(1024, bug_signed_overflow, TestParams) {
    at<int>(p.output)[threadIdx.x] = hide(0x7FFFFFFF) + int(threadIdx.x);
}

SHARPDIM_KERNEL(1024, bug_shift, TestParams) { at<int>(p.output)[threadIdx.x] = 1 << hide(int(threadIdx.x) + 30); }

SHARPDIM_KERNEL(1024, bug_misaligned_vector, TestParams) {
    float4 v = *reinterpret_cast<const float4*>(at<float>(p.input) + hide(1));
    at<float>(p.output)[threadIdx.x] = v.x;
}

// Indexes past a shared array's declared extent: caught by UBSan's bounds check, whatever lies behind it.
SHARPDIM_KERNEL(64, bug_static_shared_bounds, TestParams) {
    __shared__ float tile[2][32];
    tile[0][hide(int(threadIdx.x) % 32 + 1)] = 1.0f;
    __syncthreads();
    at<float>(p.output)[threadIdx.x] = tile[1][0];
}

// ---- the rest -------------------------------------------------------------------------------------------------------

SHARPDIM_KERNEL(1024, bug_assertion, TestParams) {
    assert(int(threadIdx.x) < p.count - 1);
    at<float>(p.output)[threadIdx.x] = 1.0f;
}

// For blocks of at most 32 threads: launch with more.
SHARPDIM_KERNEL(32, bug_launch_bounds, TestParams) { at<float>(p.output)[threadIdx.x] = 1.0f; }
