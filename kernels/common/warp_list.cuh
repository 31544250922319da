// The L = 32 C smallest (key, index) of many, sorted, in a warp's registers and in global memory.
// Ties go to the lower index, so the outcome does not depend on the order of offers.
#pragma once

#include "cuda.cuh"

// The value of an empty entry: bytes of 0x7F, so that a fill makes an empty list.
template <class Index> struct Empty;
template <> struct Empty<uint32_t> {
    static constexpr uint32_t index = 0x7F7F7F7Fu;
};
template <> struct Empty<unsigned long long> {
    static constexpr unsigned long long index = 0x7F7F7F7F7F7F7F7Full;
};

template <int C, class Index> struct WarpList {
    static constexpr unsigned ALL = 0xFFFFFFFFu;
    double key[C];  // entry c * 32 + lane
    Index index[C];

    static __device__ __forceinline__ bool before(double key, Index index, double other, Index other_index) {
        return key < other || (key == other && index < other_index);
    }

    // Lists are shared between blocks: volatile, so that no stale line of the L1 cache is read.
    __device__ __forceinline__ void load(const double* keys, const Index* indices) {
        int lane = int(threadIdx.x) % 32;
#pragma unroll
        for (int c = 0; c < C; c++) {
            key[c] = static_cast<const volatile double*>(keys)[c * 32 + lane];
            index[c] = static_cast<const volatile Index*>(indices)[c * 32 + lane];
        }
    }

    __device__ __forceinline__ void store(double* keys, Index* indices) const {
        int lane = int(threadIdx.x) % 32;
#pragma unroll
        for (int c = 0; c < C; c++) {
            static_cast<volatile double*>(keys)[c * 32 + lane] = key[c];
            static_cast<volatile Index*>(indices)[c * 32 + lane] = index[c];
        }
    }

    // One candidate, the same for all lanes.
    __device__ __forceinline__ void insert(double new_key, Index new_index) {
        int lane = int(threadIdx.x) % 32;
        int place = 0;
#pragma unroll
        for (int c = 0; c < C; c++) place += __popc(__ballot_sync(ALL, before(key[c], index[c], new_key, new_index)));
        if (place >= 32 * C) return;
#pragma unroll
        for (int c = C - 1; c >= 0; c--) {
            // The previous entry: that of the lane before, for lane 0 the last of the previous row of 32.
            double key_before = __shfl_up_sync(ALL, key[c], 1);
            Index index_before = __shfl_up_sync(ALL, index[c], 1);
            if (c > 0) {
                double key_last = __shfl_sync(ALL, key[c > 0 ? c - 1 : 0], 31);
                Index index_last = __shfl_sync(ALL, index[c > 0 ? c - 1 : 0], 31);
                if (lane == 0) key_before = key_last, index_before = index_last;
            }
            int mine = c * 32 + lane;
            if (mine == place) key[c] = new_key, index[c] = new_index;
            else if (mine > place) key[c] = key_before, index[c] = index_before;
        }
    }

    // Offers one candidate of each lane that has one to a list in global memory. Candidates above the list's
    // last key are rejected; that key only decreases, so that a stale value rejects too few, never too
    // many. Only then is the list locked, read, changed and written.
    static __device__ __forceinline__ void offer(double* keys, Index* indices, unsigned* lock, bool has, double key,
                                                 Index index) {
        int lane = int(threadIdx.x) % 32;
        double last = static_cast<const volatile double*>(keys)[32 * C - 1];
        unsigned wanted = __ballot_sync(ALL, has && key <= last);
        if (wanted == 0) return;
        if (lane == 0)
            while (atomicCAS(lock, 0u, 1u) != 0u) __nanosleep(64);
        __syncwarp();
        __threadfence();
        WarpList list;
        list.load(keys, indices);
        while (wanted) {
            int from = __ffs(int(wanted)) - 1;
            wanted &= wanted - 1;
            list.insert(__shfl_sync(ALL, key, from), __shfl_sync(ALL, index, from));
        }
        list.store(keys, indices);
        __threadfence();
        __syncwarp();
        if (lane == 0) atomicExch(lock, 0u);
        __syncwarp();
    }
};
