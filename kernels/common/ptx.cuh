// Instructions that exist only in PTX, each behind a named function: inline PTX under nvcc, a host definition beside it
// for the emulated device. Fragment layouts are those of the PTX ISA, section "Matrix multiply-accumulate operations".
#pragma once
#include "cuda.cuh"

#if defined(__CUDACC__)
__device__ __forceinline__ unsigned shared_address(const void* generic) {
    return static_cast<unsigned>(__cvta_generic_to_shared(generic));
}
#define SHARPDIM_PTX_SITE
#else
#define SHARPDIM_PTX_SITE , ::sharpdim_emulator::Site site = ::sharpdim_emulator::Site::current()
#endif

// ---- cp.async: asynchronous copies from global to shared memory -----------------------------------------------------
// Reads src_bytes and fills the rest of the destination with zeros; both addresses aligned to the destination's size.
// Copies form groups (cp_async_commit); after cp_async_wait<N> all but the thread's N latest groups are complete, for
// this thread: others see them after a barrier. The emulation copies only when a wait requires it.

__device__ __forceinline__ void cp_async_16(void* shared, const void* global, int src_bytes = 16 SHARPDIM_PTX_SITE) {
#if defined(__CUDACC__)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
                 "r"(src_bytes)
                 : "memory");
#else
    sharpdim_emulator::copy_later(shared, global, 16, unsigned(src_bytes), site);
#endif
}

__device__ __forceinline__ void cp_async_8(void* shared, const void* global, int src_bytes = 8 SHARPDIM_PTX_SITE) {
#if defined(__CUDACC__)
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(shared_address(shared)), "l"(global),
                 "r"(src_bytes)
                 : "memory");
#else
    sharpdim_emulator::copy_later(shared, global, 8, unsigned(src_bytes), site);
#endif
}

__device__ __forceinline__ void cp_async_4(void* shared, const void* global, int src_bytes = 4 SHARPDIM_PTX_SITE) {
#if defined(__CUDACC__)
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global),
                 "r"(src_bytes)
                 : "memory");
#else
    sharpdim_emulator::copy_later(shared, global, 4, unsigned(src_bytes), site);
#endif
}

__device__ __forceinline__ void cp_async_commit() {
#if defined(__CUDACC__)
    asm volatile("cp.async.commit_group;" ::: "memory");
#else
    sharpdim_emulator::copy_commit();
#endif
}

template <int groups_left> __device__ __forceinline__ void cp_async_wait() {
    static_assert(groups_left >= 0);
#if defined(__CUDACC__)
    asm volatile("cp.async.wait_group %0;" ::"n"(groups_left) : "memory");
#else
    sharpdim_emulator::copy_wait(groups_left);
#endif
}

// ---- mma: one warp multiplies 16 x k by k x 8 and adds to 16 x 8 ----------------------------------------------------
// With group = lane / 4 and inner = lane % 4, the accumulators are rows group (acc[0], acc[1]) and group + 8 (acc[2],
// acc[3]) at columns 2 * inner and 2 * inner + 1. A register holds 32 bits of consecutive k, the lowest k in the lowest
// bits; e = values per register (4 u8, 2 bf16, 1 tf32):
//   a[0]: row group,     k = e * inner ..        a[2]: row group,     k = e * (inner + 4) ..
//   a[1]: row group + 8, k = e * inner ..        a[3]: row group + 8, k = e * (inner + 4) ..
//   b[0]: column group,  k = e * inner ..        b[1]: column group,  k = e * (inner + 4) ..

#if !defined(__CUDACC__)
namespace sharpdim_emulator {

template <class Sum> struct MmaRecord {
    Sum* sums;
    const uint32_t *a, *b;
};

struct MmaU8 {
    using Sum = int32_t;
    using Term = uint32_t;  // unsigned: sums wrap, as without .satfinite
    static constexpr int values = 4;
    static Term unpack(uint32_t bits, int i) { return bits >> (8 * i) & 255u; }
};
struct MmaBf16 {
    using Sum = float;
    using Term = float;
    static constexpr int values = 2;
    static Term unpack(uint32_t bits, int i) { return Bfloat16Format::widen(uint16_t(bits >> (16 * i))); }
};
struct MmaTf32 {
    using Sum = float;
    using Term = float;
    static constexpr int values = 1;
    static Term unpack(uint32_t bits, int) { return std::bit_cast<float>(bits & ~0x1FFFu); }  // the rest is not read
};

// Products are exact; sums run over k upwards and round to float each time (a GPU adds them in another order).
template <class Kind> void mma_lanes(void* const record[32], uint32_t, Site) {
    constexpr int e = Kind::values;
    typename Kind::Term a[16][8 * e], b[8 * e][8], sums[16][8];
    for (int lane = 0; lane < 32; lane++) {
        auto& mine = *static_cast<MmaRecord<typename Kind::Sum>*>(record[lane]);
        int group = lane / 4, inner = lane % 4;
        for (int i = 0; i < 4; i++) {
            sums[group + 8 * (i / 2)][2 * inner + i % 2] = typename Kind::Term(mine.sums[i]);
            for (int j = 0; j < e; j++)
                a[group + 8 * (i % 2)][e * (inner + 4 * (i / 2)) + j] = Kind::unpack(mine.a[i], j);
        }
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < e; j++) b[e * (inner + 4 * i) + j][group] = Kind::unpack(mine.b[i], j);
    }
    for (int row = 0; row < 16; row++)
        for (int k = 0; k < 8 * e; k++)
            for (int column = 0; column < 8; column++) sums[row][column] += a[row][k] * b[k][column];
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < 4; i++)
            static_cast<MmaRecord<typename Kind::Sum>*>(record[lane])->sums[i] =
                typename Kind::Sum(sums[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2]);
}
template <class Kind>
inline void mma(const char* name, typename Kind::Sum* sums, const uint32_t* a, const uint32_t* b, Site site) {
    MmaRecord<typename Kind::Sum> record{sums, a, b};
    collective(name, 0xFFFFFFFFu, &record, mma_lanes<Kind>, site);
}

}  // namespace sharpdim_emulator
#endif

__device__ __forceinline__ void mma_m16n8k32_u8(int32_t acc[4], const uint32_t a[4],
                                                const uint32_t b[2] SHARPDIM_PTX_SITE) {
#if defined(__CUDACC__)
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.u8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+r"(acc[0]), "+r"(acc[1]), "+r"(acc[2]), "+r"(acc[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    sharpdim_emulator::mma<sharpdim_emulator::MmaU8>("mma_m16n8k32_u8", acc, a, b, site);
#endif
}

__device__ __forceinline__ void mma_m16n8k16_bf16(float acc[4], const uint32_t a[4],
                                                  const uint32_t b[2] SHARPDIM_PTX_SITE) {
#if defined(__CUDACC__)
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(acc[0]), "+f"(acc[1]), "+f"(acc[2]), "+f"(acc[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    sharpdim_emulator::mma<sharpdim_emulator::MmaBf16>("mma_m16n8k16_bf16", acc, a, b, site);
#endif
}

__device__ __forceinline__ void mma_m16n8k8_tf32(float acc[4], const uint32_t a[4],
                                                 const uint32_t b[2] SHARPDIM_PTX_SITE) {
#if defined(__CUDACC__)
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(acc[0]), "+f"(acc[1]), "+f"(acc[2]), "+f"(acc[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    sharpdim_emulator::mma<sharpdim_emulator::MmaTf32>("mma_m16n8k8_tf32", acc, a, b, site);
#endif
}

// ---- ldmatrix: one warp loads 8x8 matrices of 16-bit values from shared memory into mma's registers -----------------
// Lane i gives the address of row i % 8 of matrix i / 8 (x2: only lanes 0..15 count), 16 bytes aligned to 16.
// r[m] of a lane = values 2 * (lane % 4) and the next of row lane / 4 of matrix m; _trans: of the transposed matrix.

#if !defined(__CUDACC__)
namespace sharpdim_emulator {

struct LdmatrixRecord {
    uint32_t* registers;
    const unsigned char* row;
};

template <int matrices, bool transposed> void ldmatrix_lanes(void* const record[32], uint32_t, Site site) {
    auto lane_record = [&](int lane) { return static_cast<LdmatrixRecord*>(record[lane]); };
    for (int lane = 0; lane < 8 * matrices; lane++) {
        const unsigned char* row = lane_record(lane)->row;
        if (reinterpret_cast<uintptr_t>(row) % 16)
            fail(site, "ldmatrix: the row address of lane %d is not aligned to 16 bytes", lane);
        if (!is_shared(row, 16)) fail(site, "ldmatrix: the row of lane %d is not in shared memory", lane);
    }
    for (int lane = 0; lane < 32; lane++) {
        for (int m = 0; m < matrices; m++) {
            uint16_t pair[2];
            for (int i = 0; i < 2; i++) {
                int row = lane / 4, column = 2 * (lane % 4) + i;
                if (transposed) std::swap(row, column);
                std::memcpy(&pair[i], lane_record(8 * m + row)->row + 2 * column, 2);
            }
            lane_record(lane)->registers[m] = uint32_t(pair[1]) << 16 | pair[0];
        }
    }
}
template <int matrices, bool transposed>
inline void ldmatrix(const char* name, uint32_t* registers, const void* row, Site site) {
    LdmatrixRecord record{registers, static_cast<const unsigned char*>(row)};
    collective(name, 0xFFFFFFFFu, &record, ldmatrix_lanes<matrices, transposed>, site);
}

}  // namespace sharpdim_emulator
#endif

__device__ __forceinline__ void ldmatrix_x4(uint32_t r[4], const void* shared_row SHARPDIM_PTX_SITE) {
#if defined(__CUDACC__)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(shared_row))
                 : "memory");
#else
    sharpdim_emulator::ldmatrix<4, false>("ldmatrix_x4", r, shared_row, site);
#endif
}

__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t r[4], const void* shared_row SHARPDIM_PTX_SITE) {
#if defined(__CUDACC__)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(shared_row))
                 : "memory");
#else
    sharpdim_emulator::ldmatrix<4, true>("ldmatrix_x4_trans", r, shared_row, site);
#endif
}

__device__ __forceinline__ void ldmatrix_x2(uint32_t r[2], const void* shared_row SHARPDIM_PTX_SITE) {
#if defined(__CUDACC__)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(shared_address(shared_row))
                 : "memory");
#else
    sharpdim_emulator::ldmatrix<2, false>("ldmatrix_x2", r, shared_row, site);
#endif
}

__device__ __forceinline__ void ldmatrix_x2_trans(uint32_t r[2], const void* shared_row SHARPDIM_PTX_SITE) {
#if defined(__CUDACC__)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(shared_address(shared_row))
                 : "memory");
#else
    sharpdim_emulator::ldmatrix<2, true>("ldmatrix_x2_trans", r, shared_row, site);
#endif
}

// ---- loads and stores that order memory between blocks --------------------------------------------------------------

__device__ __forceinline__ unsigned atomic_load_acquire(const unsigned* address SHARPDIM_PTX_SITE) {
#if defined(__CUDACC__)
    unsigned value;
    asm volatile("ld.acquire.gpu.u32 %0, [%1];" : "=r"(value) : "l"(address) : "memory");
    return value;
#else
    sharpdim_emulator::pause(site);  // often the condition of a spin: let the awaited thread run
    return *static_cast<const volatile unsigned*>(address);
#endif
}

__device__ __forceinline__ void atomic_store_release(unsigned* address, unsigned value) {
#if defined(__CUDACC__)
    asm volatile("st.release.gpu.u32 [%0], %1;" ::"l"(address), "r"(value) : "memory");
#else
    *static_cast<volatile unsigned*>(address) = value;
    sharpdim_emulator::progress();
#endif
}
