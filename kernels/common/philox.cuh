// Counter-based random numbers, Philox 4x32-10: four words for a counter and a key, the same as src/ops/philox.rs.
#pragma once
#include "cuda.cuh"

// Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.
__device__ __forceinline__ uint4 philox(uint4 counter, uint32_t key_low, uint32_t key_high) {
#pragma unroll
    for (int round = 0; round < 10; round++) {
        uint32_t high0 = __umulhi(0xD2511F53u, counter.x), low0 = 0xD2511F53u * counter.x;
        uint32_t high1 = __umulhi(0xCD9E8D57u, counter.z), low1 = 0xCD9E8D57u * counter.z;
        counter = make_uint4(high1 ^ counter.y ^ key_low, low1, high0 ^ counter.w ^ key_high, low0);
        key_low += 0x9E3779B9u, key_high += 0xBB67AE85u;
    }
    return counter;
}

// Word 0 to 3 of the four.
__device__ __forceinline__ uint32_t word_of(uint4 four, uint32_t which) {
    return which == 0 ? four.x : which == 1 ? four.y : which == 2 ? four.z : four.w;
}
