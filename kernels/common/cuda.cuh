// First include of every kernel: CUDA's own definitions under nvcc, the emulated device's under a host compiler.
// Kernels are declared with SHARPDIM_KERNEL, dynamic shared memory with SHARPDIM_DYNAMIC_SHARED, on both alike.
#pragma once

#if defined(__CUDACC__)

#include <cassert>
#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

// SHARPDIM_KERNEL(256, name, Params) { ... p.field ... }: at most `threads` threads per block, one parameter struct.
// Two blocks must fit a multiprocessor: without the 2, nvcc gives pair kernels 150 registers per thread, and one fits.
#define SHARPDIM_KERNEL(threads, name, Params)                                                                         \
    static_assert(__is_trivially_copyable(Params) && sizeof(Params) <= 4096);                                          \
    extern "C" __global__ void __launch_bounds__(threads, 2) name(const __grid_constant__ Params p)

// Makes `name` an unsigned char* to the launch's dynamic shared memory, aligned to 128 bytes.
#define SHARPDIM_DYNAMIC_SHARED(name) extern __shared__ __align__(128) unsigned char name[]

#else

#include "../../emulator/cuda_emulator.h"

#endif

// Parameter structs carry device addresses as uint64_t, so that their layout is the same for every compiler.
template <class T> __device__ __forceinline__ T* at(uint64_t address) { return reinterpret_cast<T*>(address); }
