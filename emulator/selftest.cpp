// Checks of the emulated device: primitives.cu must compute the right results, each bug of bugs.cu must be caught.
// Build and run, plain and sanitized: emulator/selftest.sh. Prints a line per check and "N passed, N failed".
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "test_params.h"

#if defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

using Kernel = void(const void*);
extern "C" {
int sharpdim_emulator_launch(Kernel*, const void*, const uint32_t[3], const uint32_t[3], uint32_t, uint64_t, char*,
                             size_t);
void* sharpdim_emulator_alloc(size_t);
void sharpdim_emulator_free(void*);
int sharpdim_emulator_check(char*, size_t);
Kernel emulate_bug_missed_barrier, emulate_bug_divergent_barriers, emulate_bug_shuffle_from_outside_mask,
    emulate_bug_shuffle_by_lane_outside_mask, emulate_bug_divergent_collective, emulate_bug_mixed_collectives,
    emulate_bug_barrier_in_collective, emulate_bug_spin, emulate_bug_read_past_end, emulate_bug_read_before_start,
    emulate_bug_write_past_end, emulate_bug_write_before_start, emulate_bug_dynamic_shared_overflow,
    emulate_bug_static_shared_overflow, emulate_bug_uninitialised_shared, emulate_bug_uninitialised_output,
    emulate_bug_shared_race, emulate_bug_warp_race, emulate_bug_missing_copy_wait, emulate_bug_misaligned_copy,
    emulate_bug_signed_overflow, emulate_bug_shift, emulate_bug_misaligned_vector, emulate_bug_static_shared_bounds,
    emulate_bug_assertion, emulate_bug_launch_bounds;
Kernel emulate_test_shuffles, emulate_test_votes, emulate_test_block, emulate_test_geometry, emulate_test_atomics,
    emulate_test_flag, emulate_test_mma_u8, emulate_test_mma_bf16, emulate_test_mma_tf32, emulate_test_ldmatrix,
    emulate_test_copies, emulate_test_small_copies, emulate_test_arithmetic, emulate_test_rounds;
}

static int passed, failed;
static void check(bool good, const std::string& what, const std::string& detail = "") {
    (good ? passed : failed)++;
    printf("%s  %s%s%s\n", good ? "ok  " : "FAIL", what.c_str(), detail.empty() ? "" : ": ", detail.c_str());
    fflush(stdout);
}

template <class T>
struct Buffer {
    T* data;
    size_t count;
    explicit Buffer(size_t count) : data(static_cast<T*>(sharpdim_emulator_alloc(count * sizeof(T)))), count(count) {}
    explicit Buffer(const std::vector<T>& from) : Buffer(from.size()) { std::copy(from.begin(), from.end(), data); }
    Buffer(const Buffer&) = delete;
    ~Buffer() { sharpdim_emulator_free(data); }
    operator uint64_t() const { return uint64_t(data); }
    std::vector<T> read() const { return std::vector<T>(data, data + count); }
};

struct Shape {
    uint32_t grid[3] = {1, 1, 1}, block[3] = {32, 1, 1}, shared = 0;
};

// The launch's message, or "" when it succeeded.
static std::string launch(Kernel* kernel, const TestParams& params, const Shape& shape, uint64_t seed) {
    char error[512] = "";
    int code =
        sharpdim_emulator_launch(kernel, &params, shape.grid, shape.block, shape.shared, seed, error, sizeof error);
    if (code && !*error) return "(no message)";
    if (!code && *error) return std::string("(message without code) ") + error;
    return error;
}
static Shape threads(uint32_t count, uint32_t shared = 0) { return {{1, 1, 1}, {count, 1, 1}, shared}; }

// ---- correct kernels ----------------------------------------------------------------------------------------------

constexpr uint64_t seeds[] = {0, 1, 2, 12345, 0xFFFFFFFFFFFFFFFF};

static void shuffles() {
    bool good = true;
    std::string error;
    for (uint64_t seed : seeds)
        for (int width : {1, 2, 4, 8, 16, 32})
            for (int delta : {0, 1, 3, 7, 16, 31}) {
                Buffer<int> out(8 * 96);
                error += launch(emulate_test_shuffles, {0, 0, out, width, delta}, threads(96), seed);
                for (int t = 0; t < 96; t++) {
                    int lane = t % 32, warp = t - lane, low = lane / width * width, high = low + width - 1;
                    int from = low + (delta + lane) % 32 % width;
                    int up = lane - delta >= low ? lane - delta : lane,
                        down = lane + delta <= high ? lane + delta : lane;
                    int other = (lane ^ delta) <= high ? lane ^ delta : lane;
                    int expected[8] = {1000 + warp + from,          1000 + warp + up,
                                       1000 + warp + down,          1000 + warp + other,
                                       1000 + warp + other,         1000 + warp + 7,
                                       warp + (lane < 16 ? 3 : 20), warp + (lane >= 16 ? (lane - 16) ^ 1 : lane + 16)};
                    good &= !memcmp(expected, out.data + 8 * t, sizeof expected);
                }
            }
    check(good && error.empty(), "shuffles: four kinds, all types and widths, masks of halves", error);
}

static void votes() {
    bool good = true;
    std::string error;
    std::mt19937 random(1);
    std::vector<unsigned> in(64);
    for (auto& v : in) v = random();
    in[40] = 3;
    Buffer<unsigned> input(in);
    for (uint64_t seed : seeds) {
        Buffer<unsigned> out(12 * 64);
        error += launch(emulate_test_votes, {input, 0, out, 0, 0}, threads(64), seed);
        for (unsigned t = 0; t < 64; t++) {
            unsigned warp = t / 32 * 32, ballot = 0, any = 0, all = 1, match = 0, sum = 0, low = ~0u, high = 0,
                     match3 = 0;
            unsigned ors = 0, ands = ~0u, xors = 0;
            int slow = INT32_MAX, shigh = INT32_MIN;
            for (unsigned l = 0; l < 32; l++) {
                unsigned v = in[warp + l];
                ballot |= (v & 1u) << l, any |= v == 3u, all &= v < 4000000000u;
                match |= unsigned(v % 5 == in[t] % 5) << l, match3 |= unsigned(v % 3 == in[t] % 3) << l;
                sum += v, low = std::min(low, v), high = std::max(high, v);
                slow = std::min(slow, int(v)), shigh = std::max(shigh, int(v));
                ors |= v, ands &= v, xors ^= v;
            }
            unsigned expected[12] = {
                ballot,           any, all, match, sum, sum, low, unsigned(slow), high, unsigned(shigh), match3,
                ors ^ ands ^ xors};
            good &= !memcmp(expected, out.data + 12 * t, sizeof expected);
        }
    }
    check(good && error.empty(), "votes, matches, reductions", error);
}

static void blocks() {
    bool good = true;
    std::string error;
    Shape shape{{3, 2, 2}, {96, 1, 1}, 0};
    std::vector<float> in(12 * 96);
    for (size_t i = 0; i < in.size(); i++) in[i] = float(i * 37 % 101) - 10.0f;
    Buffer<float> input(in);
    for (uint64_t seed : seeds) {
        Buffer<float> out(12 * 6);
        error += launch(emulate_test_block, {input, 0, out, 0, 0}, shape, seed);
        for (int b = 0; b < 12; b++) {
            float sum = 0, positive = 0, any = 0;
            for (int t = 0; t < 96; t++) {
                float v = in[size_t(b * 96 + t)];
                sum += v, positive += v > 0, any = std::max(any, float(v > 90));
            }
            float expected[6] = {sum, sum, sum, positive, 2 * any + 1, in[size_t(b * 96)]};
            good &= !memcmp(expected, out.data + 6 * b, sizeof expected);
        }
    }
    check(good && error.empty(), "block: barriers, counts, shared arrays of templates", error);

    good = true;
    Shape boxes{{4, 3, 2}, {5, 4, 3}, 0};
    for (uint64_t seed : seeds) {
        Buffer<int> out(24 * 60 * 6);
        error += launch(emulate_test_geometry, {0, 0, out, 0, 0}, boxes, seed);
        int i = 0;
        for (int bz = 0; bz < 2; bz++)
            for (int by = 0; by < 3; by++)
                for (int bx = 0; bx < 4; bx++)
                    for (int z = 0; z < 3; z++)
                        for (int y = 0; y < 4; y++)
                            for (int x = 0; x < 5; x++, i++) {
                                int expected[6] = {bx, by, bz, x, y, z};
                                good &= !memcmp(expected, out.data + 6 * i, sizeof expected);
                            }
    }
    check(good && error.empty(), "grid and block of three dimensions: every block once, in any order", error);
}

struct AtomicResults {
    int add, least, most, lock, guarded, exchanged;
    unsigned bits_or, bits_and, bits_xor, wrapped;
    unsigned long long long_add, long_most;
    float float_add;
    double double_add;
};

static void atomics() {
    bool good = true;
    std::string error;
    for (uint64_t seed : seeds) {
        Buffer<AtomicResults> out(1);
        memset(out.data, 0, sizeof(AtomicResults));
        out.data->bits_and = ~0u;
        error += launch(emulate_test_atomics, {0, 0, out, 0, 0}, {{3, 1, 1}, {64, 1, 1}, 0}, seed);
        AtomicResults& r = *out.data;
        unsigned xors = 0;
        for (unsigned t = 0; t < 192; t++) xors ^= t;
        good &= r.add == 192 * 191 / 2 && r.least == -191 && r.most == 191 && r.lock == 0 && r.guarded == 192;
        good &= r.bits_or == ~0u && r.bits_and == 0xFFFF0000u && r.bits_xor == xors && r.wrapped == 2;
        good &=
            r.long_add == 192ull << 33 && r.long_most == (1ull << 40) + 191 && r.float_add == 96 && r.double_add == 48;
        Buffer<unsigned> flag(std::vector<unsigned>{0, 0, 0});
        error += launch(emulate_test_flag, {0, 0, flag, 0, 0}, threads(128), seed);
        good &= flag.read() == std::vector<unsigned>{1, 41, 42};
    }
    check(good && error.empty(), "atomics, a lock, a flag between threads", error);
}

static float bfloat(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

static void tensor_cores() {
    std::mt19937 random(7);
    std::string error;
    bool good = true;
    for (uint64_t seed : seeds) {
        std::vector<uint8_t> a(16 * 32), b(32 * 8);
        for (auto& v : a) v = uint8_t(random());
        for (auto& v : b) v = uint8_t(random());
        if (seed == 1) std::fill(a.begin(), a.end(), 255), std::fill(b.begin(), b.end(), 255);
        Buffer<uint8_t> da(a), db(b);
        Buffer<int32_t> out(128);
        error += launch(emulate_test_mma_u8, {da, db, out, 0, 0}, threads(32), seed);
        for (int row = 0; row < 16; row++)
            for (int col = 0; col < 8; col++) {
                int sum = 0;
                for (int k = 0; k < 32; k++) sum += a[size_t(row * 32 + k)] * b[size_t(col * 32 + k)];
                good &= out.data[row * 8 + col] == sum;
            }
    }
    check(good && error.empty(), "mma m16n8k32 u8 against the plain product", error);

    // Values with few bits, so that sums are exact in any order.
    auto small = [&] { return uint16_t(std::bit_cast<uint32_t>(float(int(random() % 31) - 15)) >> 16); };
    good = true;
    bool loaded = true;
    for (uint64_t seed : seeds) {
        std::vector<uint16_t> a(256), b(128);  // row-major, column-major
        for (auto& v : a) v = small();
        for (auto& v : b) v = small();
        std::vector<uint16_t> at(256), bt(128);
        for (size_t i = 0; i < 256; i++) at[i % 16 * 16 + i / 16] = a[i];
        for (size_t i = 0; i < 128; i++) bt[i % 16 * 8 + i / 16] = b[i];
        std::vector<float> expected(128);
        for (size_t row = 0; row < 16; row++)
            for (size_t col = 0; col < 8; col++)
                for (size_t k = 0; k < 16; k++)
                    expected[row * 8 + col] += bfloat(a[row * 16 + k]) * bfloat(b[col * 16 + k]);
        Buffer<uint16_t> da(a), db(b), dat(at), dbt(bt);
        Buffer<float> out(128), out0(128), out1(128), out2(128);
        error += launch(emulate_test_mma_bf16, {da, db, out, 0, 0}, threads(32), seed);
        good &= out.read() == expected;
        error += launch(emulate_test_ldmatrix, {da, db, out0, 0, 0}, threads(32), seed);
        error += launch(emulate_test_ldmatrix, {da, dbt, out1, 0, 1}, threads(32), seed);
        error += launch(emulate_test_ldmatrix, {dat, dbt, out2, 0, 2}, threads(32), seed);
        loaded &= out0.read() == expected && out1.read() == expected && out2.read() == expected;
    }
    check(good && error.empty(), "mma m16n8k16 bf16 against the plain product", error);
    check(loaded && error.empty(), "ldmatrix x4, x2, both transposed, feeding mma", error);

    good = true;
    for (uint64_t seed : seeds) {
        std::vector<float> a(128), b(64);
        for (auto& v : a) v = float(int(random() % 1023) - 511);
        for (auto& v : b) v = float(int(random() % 1023) - 511);
        Buffer<float> da(a), db(b), out(128);
        error += launch(emulate_test_mma_tf32, {da, db, out, 0, 0}, threads(32), seed);
        for (size_t row = 0; row < 16; row++)
            for (size_t col = 0; col < 8; col++) {
                float sum = 0;
                for (size_t k = 0; k < 8; k++) sum += a[row * 8 + k] * b[col * 8 + k];
                good &= out.data[row * 8 + col] == sum;
            }
    }
    check(good && error.empty(), "mma m16n8k8 tf32 against the plain product", error);
}

static void copies() {
    bool good = true;
    std::string error;
    for (uint64_t seed : seeds)
        for (int count : {1, 4, 255, 256, 257, 1000, 1024, 2047}) {
            std::vector<float> in(static_cast<size_t>(count)), expected(256);
            for (size_t i = 0; i < in.size(); i++) in[i] = float(i % 97), expected[i % 256] += in[i];
            Buffer<float> input(in), out(256);
            error += launch(emulate_test_copies, {input, 0, out, count, 0}, threads(64, 3 * 16 * 64), seed);
            good &= out.read() == expected;
        }
    Buffer<unsigned> input(std::vector<unsigned>{1, 2, 3, 4, 5, 6}), out(6);
    error += launch(emulate_test_small_copies, {input, 0, out, 0, 0}, threads(32), 0);
    good &= out.read() == std::vector<unsigned>{1, 2, 3, 0, 5, 0};
    check(good && error.empty(), "cp.async: a pipeline of three stages, short ends, small sizes", error);
}

static void arithmetic() {
    Buffer<unsigned> in(std::vector<unsigned>{0x12345678, 0x9ABCDEF0, 5, 0, 0x80000000});
    Buffer<float> f(std::vector<float>{2.5f, -2.5f, 3e9f, NAN, 1.00390625f, 1e-8f});
    Buffer<unsigned> out(42);
    std::string error = launch(emulate_test_arithmetic, {in, f, out, 0, 0}, threads(1), 0);
    auto bits = [](float v) { return std::bit_cast<unsigned>(v); };
    int dot = 100, udot = 100;
    for (int i = 0; i < 32; i += 8) {
        dot += int8_t(0x12345678 >> i) * int8_t(0x9ABCDEF0u >> i);
        udot += int(uint8_t(0x12345678 >> i)) * int(uint8_t(0x9ABCDEF0u >> i));
    }
    std::vector<unsigned> expected{13,
                                   13 + 19,
                                   29,
                                   32,
                                   32,
                                   0,
                                   0x1E6A2C48,
                                   0x9A003478,  // bytes 0, 2, byte 3 (0x12) as its sign, 7
                                   unsigned(0x12345678ull * 0x9ABCDEF0ull >> 32),
                                   unsigned(dot),
                                   unsigned(udot),
                                   unsigned((0x9ABCDEF012345678ull << 5) >> 32),
                                   2,
                                   unsigned(-2),
                                   unsigned(-2),
                                   unsigned(-3),
                                   0x7FFFFFFF,
                                   0,
                                   0,
                                   bits(2.5f),
                                   bits(-2.5f),
                                   bits(3.75f),
                                   0x3F80,
                                   0xC0C8,
                                   0xC100,
                                   0x7C00,
                                   0x0000,
                                   bits(0x1p-24f),
                                   bits(5.0f),
                                   bits(12.5f),
                                   unsigned(int(0x9ABCDEF0) + 7),
                                   bits(1.0f),
                                   bits(2.5f),
                                   bits(2.5f) + 1,
                                   bits(2.5f) - 1,
                                   bits(2.5f),
                                   bits(-0.0f),
                                   bits(0.0f),
                                   bits(-2.5f) + 1,
                                   bits(-2.5f),
                                   bits(1.0f) + 1,
                                   16 + 16 + 4 + 4 + 16};
    std::vector<unsigned> got = out.read();
    std::string detail = error;
    for (size_t i = 0; i < got.size(); i++)
        if (got[i] != expected[i]) {
            char line[80];
            snprintf(line, sizeof line, " [%zu] %08x, expected %08x", i, got[i], expected[i]);
            detail += line;
        }
    check(detail.empty(), "arithmetic: bits, conversions, 16-bit floats, types", detail);
}

// ---- bugs ---------------------------------------------------------------------------------------------------------

// Must fail with the text in its message, in every order; afterwards launches must work again.
static void must_fail(const char* name, Kernel* kernel, int option, const Shape& shape, const char* text) {
    std::string worst;
    for (uint64_t seed : seeds) {
        Buffer<float> in(std::vector<float>(64, 1.0f)), out(64);
        std::string error = launch(kernel, {in, 0, out, 64, option}, shape, seed);
        if (error.find(text) == std::string::npos)
            worst = "got \"" + error + "\"";
        else if (worst.empty() && seed == 0)
            printf("      %s\n", error.c_str());
        Buffer<float> zeros(std::vector<float>(96, 1.0f)), six(6);
        std::string after = launch(emulate_test_block, {zeros, 0, six, 0, 0}, threads(96), seed);
        if (!after.empty() || six.data[0] != 96.0f) worst = "the launch after it: " + after;
    }
    check(worst.empty(), std::string(name) + " -> \"" + text + "\"", worst);
}

// Must end the process with a sanitizer's report that contains this text.
static void must_die(const char* name, Kernel* kernel, int option, const Shape& shape, const char* text) {
    int ends[2];
    if (pipe(ends)) abort();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        auto in = static_cast<float*>(sharpdim_emulator_alloc(64 * 4)),
             out = static_cast<float*>(sharpdim_emulator_alloc(64 * 4));
        std::fill(in, in + 64, 1.0f);
        launch(kernel, {uint64_t(in), 0, uint64_t(out), 64, option}, shape, 0);
        _exit(0);
    }
    close(ends[1]);
    std::string report;
    char part[4096];
    for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;) report.append(part, size_t(n));
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    bool died = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    bool named = report.find("bugs.cu") != std::string::npos;
    check(died && named && report.find(text) != std::string::npos, std::string(name) + " -> " + text,
          died ? named ? "" : "bugs.cu is not in the report" : "survived");
}

// A race: some orders must give different results.
static void must_vary(const char* name, Kernel* kernel, const Shape& shape, int count) {
    std::vector<float> in(static_cast<size_t>(count));
    for (size_t i = 0; i < in.size(); i++) in[i] = float(i + 1);
    std::vector<std::vector<float>> results;
    std::string error;
    for (uint64_t seed = 0; seed < 4; seed++) {
        Buffer<float> input(in), out(in.size());
        error += launch(kernel, {input, 0, out, count, 0}, shape, seed);
        auto result = out.read();
        if (std::find(results.begin(), results.end(), result) == results.end()) results.push_back(result);
    }
    check(error.empty() && results.size() > 1, name + std::string(" -> results depend on the order"), error);
}

static bool is_nan(float v) { return v != v; }
static bool all_nan(const float* from, const float* end) { return std::all_of(from, end, is_nan); }
static bool some_nan(const float* from, const float* end) { return std::any_of(from, end, is_nan); }

static void bugs() {
    Shape one = threads(64), with_shared = threads(64, 64 * 4);
    must_fail("missed barrier", emulate_bug_missed_barrier, 0, one,
              "thread 5 of block (0,0,0) finished while 63 threads wait at __syncthreads");
    must_fail("divergent barriers", emulate_bug_divergent_barriers, 0, one, "wait at different barriers");
    must_fail("shuffle from outside the mask", emulate_bug_shuffle_from_outside_mask, 0, one,
              "which is not in the mask");
    must_fail("shuffle by a lane outside the mask", emulate_bug_shuffle_by_lane_outside_mask, 0, one,
              "is not in its mask");
    must_fail("collective in divergent code", emulate_bug_divergent_collective, 0, one, "has finished");
    must_fail("different collectives", emulate_bug_mixed_collectives, 0, one, "at different warp operations");
    must_fail("barrier against collective", emulate_bug_barrier_in_collective, 0, one, "waits at a block barrier");
    must_fail("lanes that do not exist", emulate_test_rounds, 1, threads(40), "does not exist in this block");
    must_fail("spin without end", emulate_bug_spin, 0, one, "the block spins");
    must_fail("assertion", emulate_bug_assertion, 0, one, "assertion failed: int(threadIdx.x) < p.count - 1");
    must_fail("too many threads for the kernel", emulate_bug_launch_bounds, 0, one, "the kernel's bound is 32");
    must_fail("too many threads for a block", emulate_bug_assertion, 0, threads(1025), "launch: a block of 1025");
    must_fail("too much shared memory", emulate_bug_assertion, 0, threads(64, 300 << 10),
              "dynamic shared memory, at most");
    must_fail("an empty grid", emulate_bug_assertion, 0, {{0, 1, 1}, {1, 1, 1}, 0}, "launch: a grid of 0");
    must_fail("misaligned cp.async", emulate_bug_misaligned_copy, 0, with_shared, "is not aligned to 16 bytes");
    must_fail("cp.async never waited for", emulate_bug_missing_copy_wait, 2, with_shared, "never waited for");

    must_vary("shared memory race", emulate_bug_shared_race, with_shared, 64);
    must_vary("race within a warp", emulate_bug_warp_race, threads(32), 32);

    Buffer<float> in(std::vector<float>(64, 1.0f));
    std::string error;
    for (int option : {0, 1}) {
        Buffer<float> out(64);
        error = launch(emulate_bug_missing_copy_wait, {in, 0, out, 64, option}, with_shared, 3);
        check(error.empty() && some_nan(out.data, out.data + 64), "missing cp.async wait -> NaN", error);
    }
    {
        Buffer<float> out(64);
        error = launch(emulate_bug_uninitialised_output, {in, 0, out, 64, 0}, one, 3);
        check(error.empty() && all_nan(out.data + 32, out.data + 64) && out.data[31] == 1.0f,
              "uninitialised output -> NaN", error);
    }
    for (int option : {0, 1}) {
        if (option == 0 && sanitized) continue;  // ASan keeps static shared memory for itself
        Buffer<float> out(64);
        error = launch(emulate_bug_uninitialised_shared, {in, 0, out, 64, option}, with_shared, 3);
        check(error.empty() && all_nan(out.data, out.data + 64),
              option ? "uninitialised dynamic shared memory -> NaN" : "uninitialised static shared memory -> NaN",
              error);
    }

    if (!sanitized) {
        must_fail("write past the end", emulate_bug_write_past_end, 0, one,
                  "byte 1 past the end of an allocation of 256 bytes");
        must_fail("write before the start", emulate_bug_write_before_start, 0, one,
                  "byte 1 before the start of an allocation of 256 bytes");
        must_fail("dynamic shared overflow", emulate_bug_dynamic_shared_overflow, 0, with_shared,
                  "past the end of the dynamic shared memory of 256 bytes");
        Buffer<float> out(64);
        launch(emulate_bug_read_past_end, {in, 0, out, 64, 0}, one, 0);
        check(all_nan(out.data + 63, out.data + 64), "read past the end -> NaN");
        launch(emulate_bug_read_before_start, {in, 0, out, 64, 0}, one, 0);
        check(all_nan(out.data, out.data + 1), "read before the start -> NaN");
        char message[256] = "";
        auto bytes = static_cast<unsigned char*>(sharpdim_emulator_alloc(10));
        bytes[12] = 0;
        check(sharpdim_emulator_check(message, sizeof message) == 1, "check() alone", message);
        check(sharpdim_emulator_check(message, sizeof message) == 0, "check() again: guards restored");
        sharpdim_emulator_free(bytes);
    } else {
        must_die("read past the end", emulate_bug_read_past_end, 0, one, "heap-buffer-overflow");
        must_die("read before the start", emulate_bug_read_before_start, 0, one, "heap-buffer-overflow");
        must_die("write past the end", emulate_bug_write_past_end, 0, one, "heap-buffer-overflow");
        must_die("write before the start", emulate_bug_write_before_start, 0, one, "heap-buffer-overflow");
        must_die("dynamic shared overflow", emulate_bug_dynamic_shared_overflow, 0, with_shared,
                 "heap-buffer-overflow");
        must_die("static shared overflow", emulate_bug_static_shared_overflow, 0, one, "global-buffer-overflow");
        must_die("signed overflow", emulate_bug_signed_overflow, 0, one, "signed integer overflow");
        must_die("shift too far", emulate_bug_shift, 0, one, "shift exponent");
        must_die("misaligned vector load", emulate_bug_misaligned_vector, 0, one, "misaligned address");
        must_die("index beyond an array's bounds", emulate_bug_static_shared_bounds, 0, one, "out of bounds");
    }
}

static void timing() {
    for (int option : {0, 1})
        for (uint32_t count : {32u, 256u, 1024u}) {
            int rounds = sanitized ? 200 : 2000;
            Buffer<int> out(count);
            for (int warm = 0; warm < 2; warm++) {
                auto start = std::chrono::steady_clock::now();
                launch(emulate_test_rounds, {0, 0, out, rounds, option}, threads(count), 1);
                double time =
                    std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
                if (warm)
                    printf("      %4u threads: %.1f ns per thread and %s\n", count, time / rounds / count,
                           option ? "warp shuffle" : "barrier");
            }
        }
    auto start = std::chrono::steady_clock::now();
    auto ns = [&] {
        return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
    };
    Buffer<int> out(2000 * 256);
    launch(emulate_test_rounds, {0, 0, out, 0, 0}, {{2000, 1, 1}, {256, 1, 1}, 0}, 1);
    printf("      2000 blocks of 256 threads without barriers: %.1f ns per thread\n", ns() / 2000 / 256);
    Buffer<uint16_t> a(256), b(128);
    start = std::chrono::steady_clock::now();
    launch(emulate_test_mma_bf16, {a, b, out, 0, 0}, {{2000, 1, 1}, {32, 1, 1}, 0}, 1);
    printf("      mma m16n8k16 with its loads: %.1f us per warp\n", ns() / 2000 / 1000);
}

int main() {
    auto correct = [] { shuffles(), votes(), blocks(), atomics(), tensor_cores(), copies(), arithmetic(); };
    correct();
    bugs();
    printf("--- on another host thread, then on several at once\n");
    std::thread([&] { correct(), bugs(); }).join();
    std::vector<std::thread> several;
    bool good[4] = {};
    for (int i = 0; i < 4; i++)
        several.emplace_back([&, i] {
            good[i] = true;
            for (uint64_t seed = 0; seed < 20; seed++) {
                Buffer<float> ones(std::vector<float>(96, 1.0f)), six(6);
                good[i] &=
                    launch(emulate_test_block, {ones, 0, six, 0, 0}, threads(96), seed).empty() && six.data[0] == 96.0f;
            }
        });
    for (auto& thread : several) thread.join();
    check(good[0] && good[1] && good[2] && good[3], "launches from four host threads");
    timing();
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
