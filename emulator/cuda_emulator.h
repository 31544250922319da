// CUDA's language extensions for the emulated device: lets kernels/*.cu compile unchanged under the host's C++20 compiler.
// The threads of a block are cooperative fibers of one host thread (runtime.cpp); bugs.cu shows what is caught.
#pragma once
#include <algorithm>
#include <bit>
#include <cassert>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <source_location>
#include <type_traits>

#include "cuda_types.h"

#if defined(__SANITIZE_ADDRESS__)
#define SHARPDIM_EMULATOR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHARPDIM_EMULATOR_ASAN 1
#endif
#endif
#ifndef SHARPDIM_EMULATOR_ASAN
#define SHARPDIM_EMULATOR_ASAN 0
#endif

// ---- the runtime's side (runtime.cpp) -----------------------------------------------------------------------------

namespace sharpdim_emulator {

using Site = std::source_location;  // taken as a default argument, so that every message names the kernel's line

struct Thread {
    uint3 index;      // threadIdx
    unsigned number;  // its rank in the block: lane = number % 32, warp = number / 32
};
extern Thread* now;  // the thread that is running
extern struct Geometry {
    uint3 block;         // blockIdx
    dim3 threads, grid;  // blockDim, gridDim
    unsigned char* dynamic_shared;
    uint32_t dynamic_shared_bytes;
} geometry;

// Ends the launch with this message, without unwinding: kernels own no resources.
[[noreturn, gnu::cold]] void fail(Site site, const char* format, ...) __attribute__((format(printf, 2, 3)));
// Waits for all threads of the block; returns to each the number of threads whose predicate held.
unsigned barrier(const char* name, bool predicate, Site site);
// Waits for all lanes in mask; the last to arrive runs combine over the lanes' records, then all continue. The
// records are on the waiting lanes' stacks.
using Combine = void (*)(void* const record[32], uint32_t mask, Site site);
void collective(const char* name, uint32_t mask, void* record, Combine combine, Site site);
// Yields to the other threads, where a thread may be spinning. Too many calls in a row without progress are an error.
void pause(Site site);
void progress();
bool is_shared(const void* address, size_t bytes);  // always true where it cannot be told (ASan builds)
void copy_later(void* to, const void* from, unsigned bytes, unsigned source_bytes, Site site);  // cp.async
void copy_commit();
void copy_wait(unsigned groups_left);
void check_block_size(unsigned most, Site site = Site::current());  // against the kernel's launch bounds

}  // namespace sharpdim_emulator

// ---- declarations -------------------------------------------------------------------------------------------------

#define __global__
#define __device__
#define __host__
#define __constant__
#define __launch_bounds__(...)
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))

// A __shared__ array is a static of the function: blocks run one after another. Plain builds gather all of them in one
// section of the program, which the runtime poisons before every block. Under ASan they stay ordinary statics, since
// ASan puts no redzones around variables of a named section.
// GCC gives statics of templates a comdat section, and rejects the same section name for both kinds. The name therefore
// ends in a numbered assembler comment: distinct names for GCC, one name for the assembler.
#define SHARPDIM_TEXT_(x) #x
#define SHARPDIM_TEXT(x) SHARPDIM_TEXT_(x)
#if SHARPDIM_EMULATOR_ASAN
#define __shared__ static
#elif defined(__clang__)
#define __shared__ static __attribute__((section("sharpdim_shared")))
#elif defined(__x86_64__)
#define __shared__ static __attribute__((section("sharpdim_shared,\"aw\",@progbits#" SHARPDIM_TEXT(__COUNTER__))))
#else
#define __shared__ static __attribute__((section("sharpdim_shared,\"aw\",%progbits//" SHARPDIM_TEXT(__COUNTER__))))
#endif

#define SHARPDIM_DYNAMIC_SHARED(name) unsigned char* const name = ::sharpdim_emulator::geometry.dynamic_shared

// The kernel's body becomes an ordinary function; sharpdim_emulator_launch runs emulate_<name> for each thread.
#define SHARPDIM_KERNEL(threads, name, Params)                                                                         \
    static_assert(std::is_trivially_copyable_v<Params> && sizeof(Params) <= 4096);                                     \
    static void name##_body([[maybe_unused]] const Params& p);                                                         \
    extern "C" void emulate_##name(const void* params) {                                                               \
        ::sharpdim_emulator::check_block_size(threads);                                                                \
        name##_body(*static_cast<const Params*>(params));                                                              \
    }                                                                                                                  \
    static void name##_body([[maybe_unused]] const Params& p)

#undef assert
#define assert(condition)                                                                                              \
    ((condition) ? (void)0                                                                                             \
                 : ::sharpdim_emulator::fail(::sharpdim_emulator::Site::current(), "assertion failed: %s", #condition))

#define threadIdx (::sharpdim_emulator::now->index)
#define blockIdx (::sharpdim_emulator::geometry.block)
#define blockDim (::sharpdim_emulator::geometry.threads)
#define gridDim (::sharpdim_emulator::geometry.grid)
constexpr int warpSize = 32;

// ---- barriers and fences ------------------------------------------------------------------------------------------

#define SHARPDIM_SITE ::sharpdim_emulator::Site site = ::sharpdim_emulator::Site::current()

inline void __syncthreads(SHARPDIM_SITE) { sharpdim_emulator::barrier("__syncthreads", false, site); }
inline int __syncthreads_count(int predicate, SHARPDIM_SITE) {
    return int(sharpdim_emulator::barrier("__syncthreads_count", predicate != 0, site));
}
inline int __syncthreads_or(int predicate, SHARPDIM_SITE) {
    return sharpdim_emulator::barrier("__syncthreads_or", predicate != 0, site) != 0;
}
inline int __syncthreads_and(int predicate, SHARPDIM_SITE) {
    return sharpdim_emulator::barrier("__syncthreads_and", predicate == 0, site) == 0;
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, SHARPDIM_SITE) {
    sharpdim_emulator::collective("__syncwarp", mask, nullptr, nullptr, site);
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline void __nanosleep(unsigned, SHARPDIM_SITE) { sharpdim_emulator::pause(site); }
inline long long clock64() {
    static long long ticks = 0;  // advances by itself, so that measured spans are positive and repeatable
    return ++ticks;
}

// ---- warp collectives ---------------------------------------------------------------------------------------------

namespace sharpdim_emulator {

enum class Shuffle { index, up, down, exclusive_or };

template <class T> struct ShuffleRecord {
    T value, result;
    int argument, width;
};

template <Shuffle how, class T> void shuffle_lanes(void* const record[32], uint32_t mask, Site site) {
    for (int lane = 0; lane < 32; lane++) {
        if (!(mask >> lane & 1)) continue;
        auto& mine = *static_cast<ShuffleRecord<T>*>(record[lane]);
        if (mine.width < 1 || mine.width > 32 || (mine.width & (mine.width - 1)))
            fail(site, "shuffle: width %d is not a power of two of at most 32", mine.width);
        int first = lane & ~(mine.width - 1), last = first + mine.width - 1, argument = mine.argument & 31, from;
        if constexpr (how == Shuffle::index) from = first | (argument & (mine.width - 1));
        if constexpr (how == Shuffle::up) from = lane - argument < first ? lane : lane - argument;
        if constexpr (how == Shuffle::down) from = lane + argument > last ? lane : lane + argument;
        if constexpr (how == Shuffle::exclusive_or) from = (lane ^ argument) > last ? lane : lane ^ argument;
        if (!(mask >> from & 1))
            fail(site, "shuffle: lane %d reads from lane %d, which is not in the mask 0x%08x", lane, from, mask);
        mine.result = static_cast<ShuffleRecord<T>*>(record[from])->value;
    }
}

template <Shuffle how, class T>
inline T shuffle(const char* name, unsigned mask, T value, int argument, int width, Site site) {
    static_assert((sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8) && std::is_trivially_copyable_v<T>);
    ShuffleRecord<T> record{value, value, argument, width};
    collective(name, mask, &record, shuffle_lanes<how, T>, site);
    return record.result;
}

// Most votes and reductions give all lanes one result: Operation combines two lanes' values.
template <class T> struct ReduceRecord {
    T value, result;
};
template <class T, class Operation> void reduce_lanes(void* const record[32], uint32_t mask, Site) {
    int lane = std::countr_zero(mask);
    T result = static_cast<ReduceRecord<T>*>(record[lane])->value;
    for (lane++; lane < 32; lane++)
        if (mask >> lane & 1) result = Operation()(result, static_cast<ReduceRecord<T>*>(record[lane])->value);
    for (lane = 0; lane < 32; lane++)
        if (mask >> lane & 1) static_cast<ReduceRecord<T>*>(record[lane])->result = result;
}
template <class T, class Operation> inline T reduce(const char* name, unsigned mask, T value, Operation, Site site) {
    ReduceRecord<T> record{value, value};
    collective(name, mask, &record, reduce_lanes<T, Operation>, site);
    return record.result;
}

template <class T> struct MatchRecord {
    T value;
    unsigned same;
};
template <class T> void match_lanes(void* const record[32], uint32_t mask, Site) {
    for (int a = 0; a < 32; a++) {
        if (!(mask >> a & 1)) continue;
        auto& mine = *static_cast<MatchRecord<T>*>(record[a]);
        for (int b = 0; b < 32; b++)
            if (mask >> b & 1)
                mine.same |= unsigned(!memcmp(&mine.value, &static_cast<MatchRecord<T>*>(record[b])->value, sizeof(T)))
                             << b;
    }
}

struct Add {
    template <class T> T operator()(T a, T b) const {
        using U = std::make_unsigned_t<T>;  // wraps
        return T(U(a) + U(b));
    }
};
struct Min {
    template <class T> T operator()(T a, T b) const { return b < a ? b : a; }
};
struct Max {
    template <class T> T operator()(T a, T b) const { return a < b ? b : a; }
};
struct And {
    template <class T> T operator()(T a, T b) const { return a & b; }
};
struct Or {
    template <class T> T operator()(T a, T b) const { return a | b; }
};
struct Xor {
    template <class T> T operator()(T a, T b) const { return a ^ b; }
};

}  // namespace sharpdim_emulator

#define SHARPDIM_SHUFFLE(name, how, Argument)                                                                          \
    template <class T> inline T name(unsigned mask, T value, Argument argument, int width = 32, SHARPDIM_SITE) {       \
        using sharpdim_emulator::Shuffle;                                                                              \
        return sharpdim_emulator::shuffle<Shuffle::how>(#name, mask, value, int(argument), width, site);               \
    }
SHARPDIM_SHUFFLE(__shfl_sync, index, int)
SHARPDIM_SHUFFLE(__shfl_up_sync, up, unsigned)
SHARPDIM_SHUFFLE(__shfl_down_sync, down, unsigned)
SHARPDIM_SHUFFLE(__shfl_xor_sync, exclusive_or, int)
#undef SHARPDIM_SHUFFLE

inline unsigned __ballot_sync(unsigned mask, int predicate, SHARPDIM_SITE) {
    unsigned bit = predicate ? 1u << (sharpdim_emulator::now->number % 32) : 0u;
    return sharpdim_emulator::reduce("__ballot_sync", mask, bit, sharpdim_emulator::Or(), site);
}
inline int __any_sync(unsigned mask, int predicate, SHARPDIM_SITE) {
    return sharpdim_emulator::reduce("__any_sync", mask, int(predicate != 0), sharpdim_emulator::Or(), site);
}
inline int __all_sync(unsigned mask, int predicate, SHARPDIM_SITE) {
    return sharpdim_emulator::reduce("__all_sync", mask, int(predicate != 0), sharpdim_emulator::And(), site);
}
template <class T> inline unsigned __match_any_sync(unsigned mask, T value, SHARPDIM_SITE) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8);
    sharpdim_emulator::MatchRecord<T> record{value, 0};
    sharpdim_emulator::collective("__match_any_sync", mask, &record, sharpdim_emulator::match_lanes<T>, site);
    return record.same;
}
inline unsigned __activemask(SHARPDIM_SITE) {
    sharpdim_emulator::fail(site, "__activemask: which lanes run together is not defined; pass the mask explicitly");
}

#define SHARPDIM_REDUCE(name, T, Operation)                                                                            \
    inline T name(unsigned mask, T value, SHARPDIM_SITE) {                                                             \
        return sharpdim_emulator::reduce(#name, mask, value, sharpdim_emulator::Operation(), site);                    \
    }
SHARPDIM_REDUCE(__reduce_add_sync, unsigned, Add)
SHARPDIM_REDUCE(__reduce_add_sync, int, Add)
SHARPDIM_REDUCE(__reduce_min_sync, unsigned, Min)
SHARPDIM_REDUCE(__reduce_min_sync, int, Min)
SHARPDIM_REDUCE(__reduce_max_sync, unsigned, Max)
SHARPDIM_REDUCE(__reduce_max_sync, int, Max)
SHARPDIM_REDUCE(__reduce_and_sync, unsigned, And)
SHARPDIM_REDUCE(__reduce_or_sync, unsigned, Or)
SHARPDIM_REDUCE(__reduce_xor_sync, unsigned, Xor)
#undef SHARPDIM_REDUCE

// ---- atomics ------------------------------------------------------------------------------------------------------
// One host thread runs all threads, so plain accesses suffice. An atomic that changes nothing may be a spin: it yields.

namespace sharpdim_emulator {

template <class T, class... Allowed> concept OneOf = (std::is_same_v<T, Allowed> || ...);
template <class T> using Plain = std::type_identity_t<T>;  // lets the value convert to the pointer's type

template <class T> inline T atomic_put(T* address, T old, T value, Site site) {
    if (std::memcmp(&old, &value, sizeof(T))) {
        *address = value;
        progress();
    } else {
        pause(site);
    }
    return old;
}

}  // namespace sharpdim_emulator

#define SHARPDIM_ATOMIC(name, expression, ...)                                                                         \
    template <class T>                                                                                                 \
        requires sharpdim_emulator::OneOf<T, __VA_ARGS__>                                                              \
    inline T name(T* address, sharpdim_emulator::Plain<T> value, SHARPDIM_SITE) {                                      \
        T old = *address;                                                                                              \
        return sharpdim_emulator::atomic_put<T>(address, old, expression, site);                                       \
    }
#define SHARPDIM_INTEGERS int, unsigned, unsigned long long
#define SHARPDIM_MORE_INTEGERS int, unsigned, unsigned long long, long long
template <class T>
    requires sharpdim_emulator::OneOf<T, int, unsigned, unsigned long long, float, double>
inline T atomicAdd(T* address, sharpdim_emulator::Plain<T> value, SHARPDIM_SITE) {
    T old = *address, sum;
    if constexpr (std::is_integral_v<T>) sum = sharpdim_emulator::Add()(old, value);  // wraps, signed too
    else sum = old + value;
    return sharpdim_emulator::atomic_put<T>(address, old, sum, site);
}
SHARPDIM_ATOMIC(atomicSub, T(unsigned(old) - unsigned(value)), int, unsigned)
SHARPDIM_ATOMIC(atomicMin, (value < old ? value : old), SHARPDIM_MORE_INTEGERS)
SHARPDIM_ATOMIC(atomicMax, (old < value ? value : old), SHARPDIM_MORE_INTEGERS)
SHARPDIM_ATOMIC(atomicExch, value, SHARPDIM_INTEGERS, float)
SHARPDIM_ATOMIC(atomicAnd, T(old & value), SHARPDIM_INTEGERS)
SHARPDIM_ATOMIC(atomicOr, T(old | value), SHARPDIM_INTEGERS)
SHARPDIM_ATOMIC(atomicXor, T(old ^ value), SHARPDIM_INTEGERS)
SHARPDIM_ATOMIC(atomicInc, (old >= value ? 0u : old + 1u), unsigned)
SHARPDIM_ATOMIC(atomicDec, (old == 0 || old > value ? value : old - 1u), unsigned)
template <class T>
    requires sharpdim_emulator::OneOf<T, int, unsigned, unsigned long long, unsigned short>
inline T atomicCAS(T* address, sharpdim_emulator::Plain<T> expected, sharpdim_emulator::Plain<T> value, SHARPDIM_SITE) {
    T old = *address;
    return sharpdim_emulator::atomic_put<T>(address, old, old == expected ? value : old, site);
}
#undef SHARPDIM_ATOMIC
#undef SHARPDIM_INTEGERS
#undef SHARPDIM_MORE_INTEGERS

// ---- loads and bits -----------------------------------------------------------------------------------------------

template <class T> inline T __ldg(const T* address) { return *address; }
template <class T> inline T __ldcg(const T* address) { return *address; }
template <class T> inline T __ldcs(const T* address) { return *address; }
template <class T> inline void __stcg(T* address, std::type_identity_t<T> value) { *address = value; }
template <class T> inline void __stcs(T* address, std::type_identity_t<T> value) { *address = value; }

inline int __popc(unsigned v) { return std::popcount(v); }
inline int __popcll(unsigned long long v) { return std::popcount(v); }
inline int __clz(int v) { return std::countl_zero(unsigned(v)); }
inline int __clzll(long long v) { return std::countl_zero((unsigned long long)(v)); }
inline int __ffs(int v) { return v ? std::countr_zero(unsigned(v)) + 1 : 0; }
inline int __ffsll(long long v) { return v ? std::countr_zero((unsigned long long)(v)) + 1 : 0; }
inline unsigned __brev(unsigned v) {
    unsigned reversed = 0;
    for (int bit = 0; bit < 32; bit++) reversed |= (v >> bit & 1u) << (31 - bit);
    return reversed;
}
inline unsigned long long __brevll(unsigned long long v) {
    return (unsigned long long)(__brev(unsigned(v))) << 32 | __brev(unsigned(v >> 32));
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
    uint64_t bytes = uint64_t(y) << 32 | x;
    unsigned result = 0;
    for (int i = 0; i < 4; i++) {
        unsigned choice = selector >> (4 * i) & 15u, byte = unsigned(bytes >> (8 * (choice & 7u))) & 255u;
        if (choice & 8u) byte = byte & 128u ? 255u : 0u;  // replicate the sign
        result |= byte << (8 * i);
    }
    return result;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
    return unsigned(((uint64_t(high) << 32 | low) << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return unsigned((uint64_t(high) << 32 | low) >> (shift & 31));
}
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(uint64_t(a) * b >> 32); }
inline int __mulhi(int a, int b) { return int(int64_t(a) * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)(a)*b >> 64);
}
inline int __dp4a(int a, int b, int sum) {
    for (int i = 0; i < 32; i += 8) sum = int(unsigned(sum) + unsigned(int8_t(a >> i) * int8_t(b >> i)));
    return sum;
}
inline unsigned __dp4a(unsigned a, unsigned b, unsigned sum) {
    for (int i = 0; i < 32; i += 8) sum += (a >> i & 255u) * (b >> i & 255u);
    return sum;
}
inline int __dp4a(char4 a, char4 b, int sum) { return __dp4a(std::bit_cast<int>(a), std::bit_cast<int>(b), sum); }
inline unsigned __dp4a(uchar4 a, uchar4 b, unsigned sum) {
    return __dp4a(std::bit_cast<unsigned>(a), std::bit_cast<unsigned>(b), sum);
}

inline unsigned __float_as_uint(float v) { return std::bit_cast<unsigned>(v); }
inline int __float_as_int(float v) { return std::bit_cast<int>(v); }
inline float __uint_as_float(unsigned v) { return std::bit_cast<float>(v); }
inline float __int_as_float(int v) { return std::bit_cast<float>(v); }
inline long long __double_as_longlong(double v) { return std::bit_cast<long long>(v); }
inline double __longlong_as_double(long long v) { return std::bit_cast<double>(v); }
inline int __double2hiint(double v) { return int(std::bit_cast<uint64_t>(v) >> 32); }
inline int __double2loint(double v) { return int(std::bit_cast<uint64_t>(v)); }
inline double __hiloint2double(int high, int low) {
    return std::bit_cast<double>(uint64_t(unsigned(high)) << 32 | unsigned(low));
}

// ---- arithmetic ---------------------------------------------------------------------------------------------------
// Compile with -ffp-contract=off, so that a * b + c rounds twice, and only fmaf fuses.

#define SHARPDIM_MIN_MAX(A, B, ...)                                                                                    \
    inline __VA_ARGS__ min(A a, B b) { return std::min<__VA_ARGS__>(a, b); }                                           \
    inline __VA_ARGS__ max(A a, B b) { return std::max<__VA_ARGS__>(a, b); }
SHARPDIM_MIN_MAX(int, int, int)
SHARPDIM_MIN_MAX(unsigned, unsigned, unsigned)
SHARPDIM_MIN_MAX(int, unsigned, unsigned)
SHARPDIM_MIN_MAX(unsigned, int, unsigned)
SHARPDIM_MIN_MAX(long, long, long)
SHARPDIM_MIN_MAX(unsigned long, unsigned long, unsigned long)
SHARPDIM_MIN_MAX(long, unsigned long, unsigned long)
SHARPDIM_MIN_MAX(unsigned long, long, unsigned long)
SHARPDIM_MIN_MAX(long long, long long, long long)
SHARPDIM_MIN_MAX(unsigned long long, unsigned long long, unsigned long long)
SHARPDIM_MIN_MAX(long long, unsigned long long, unsigned long long)
SHARPDIM_MIN_MAX(unsigned long long, long long, unsigned long long)
#undef SHARPDIM_MIN_MAX
// For floats CUDA's min and max are fmin and fmax: of a NaN and a number the result is the number.
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
inline double min(float a, double b) { return fmin(a, b); }
inline double max(float a, double b) { return fmax(a, b); }
inline double min(double a, float b) { return fmin(a, b); }
inline double max(double a, float b) { return fmax(a, b); }

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }

namespace sharpdim_emulator {
// `near` is a float next to a + rest (a of far more bits): the next one where it lies on the wrong side.
inline float downwards(float near, double sum, double rest) {
    return near > sum || (near == sum && rest < 0.0) ? std::nextafterf(near, -INFINITY) : near;
}
inline float upwards(float near, double sum, double rest) { return -downwards(-near, -sum, -rest); }
// The rounding error of a + b in double (Knuth's two-sum).
inline double lost(double a, double b) {
    double sum = a + b, of_b = sum - a;
    return (a - (sum - of_b)) + (b - of_b);
}
}  // namespace sharpdim_emulator
// A sum of 0 is -0 where it is rounded down, except for two +0.
inline float __fadd_rd(float a, float b) {
    double sum = double(a) + double(b);
    if (sum == 0.0) return std::signbit(a) || std::signbit(b) ? -0.0f : 0.0f;
    return sharpdim_emulator::downwards(float(sum), sum, sharpdim_emulator::lost(a, b));
}
inline float __fadd_ru(float a, float b) { return -__fadd_rd(-a, -b); }
inline float __fsub_rd(float a, float b) { return __fadd_rd(a, -b); }
inline float __fsub_ru(float a, float b) { return __fadd_ru(a, -b); }
inline float __double2float_rd(double v) { return sharpdim_emulator::downwards(float(v), v, 0.0); }
inline float __double2float_ru(double v) { return sharpdim_emulator::upwards(float(v), v, 0.0); }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __frsqrt_rn(float a) { return float(1.0 / std::sqrt(double(a))); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline double __dsqrt_rn(double a) { return std::sqrt(a); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float a) { return a > 0.0f ? (a < 1.0f ? a : 1.0f) : 0.0f; }  // NaN gives 0
inline float rsqrtf(float a) { return float(1.0 / std::sqrt(double(a))); }
inline double rsqrt(double a) { return 1.0 / std::sqrt(a); }
inline void sincospi(double a, double* sine, double* cosine) {
    double angle = 3.141592653589793 * a;
    *sine = std::sin(angle), *cosine = std::cos(angle);
}
// The host's libm has declarations of its own for some of these: hence macros.
#define __expf(x) expf(x)
#define __exp10f(x) exp10f(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __log10f(x) log10f(x)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __powf(x, y) powf(x, y)

namespace sharpdim_emulator {
// Conversions to integers saturate and take NaN to zero, as the GPU's do; a C++ cast would be undefined there.
template <class Integer, class Real> inline Integer to_integer(Real rounded) {
    if (rounded != rounded) return 0;
    Real limit = std::ldexp(Real(1), std::numeric_limits<Integer>::digits);  // the first value too large
    if (rounded >= limit) return std::numeric_limits<Integer>::max();
    if (rounded <= (std::is_signed_v<Integer> ? -limit : Real(0))) return std::numeric_limits<Integer>::min();
    return Integer(rounded);
}
}  // namespace sharpdim_emulator

#define SHARPDIM_TO_INTEGER(prefix, Real, Integer)                                                                     \
    inline Integer prefix##_rn(Real v) { return sharpdim_emulator::to_integer<Integer>(std::nearbyint(v)); }           \
    inline Integer prefix##_rz(Real v) { return sharpdim_emulator::to_integer<Integer>(std::trunc(v)); }               \
    inline Integer prefix##_rd(Real v) { return sharpdim_emulator::to_integer<Integer>(std::floor(v)); }               \
    inline Integer prefix##_ru(Real v) { return sharpdim_emulator::to_integer<Integer>(std::ceil(v)); }
SHARPDIM_TO_INTEGER(__float2int, float, int)
SHARPDIM_TO_INTEGER(__float2uint, float, unsigned)
SHARPDIM_TO_INTEGER(__float2ll, float, long long)
SHARPDIM_TO_INTEGER(__float2ull, float, unsigned long long)
SHARPDIM_TO_INTEGER(__double2int, double, int)
SHARPDIM_TO_INTEGER(__double2uint, double, unsigned)
SHARPDIM_TO_INTEGER(__double2ll, double, long long)
SHARPDIM_TO_INTEGER(__double2ull, double, unsigned long long)
#undef SHARPDIM_TO_INTEGER
inline float __int2float_rn(int v) { return float(v); }
inline float __uint2float_rn(unsigned v) { return float(v); }
inline float __ll2float_rn(long long v) { return float(v); }
inline float __ull2float_rn(unsigned long long v) { return float(v); }
inline float __double2float_rn(double v) { return float(v); }
inline double __int2double_rn(int v) { return double(v); }
inline double __uint2double_rn(unsigned v) { return double(v); }
inline double __ll2double_rn(long long v) { return double(v); }
inline double __ull2double_rn(unsigned long long v) { return double(v); }
