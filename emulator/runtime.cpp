// The emulated CUDA device: runs a kernel's blocks one after another, each block's threads as cooperative fibers.
// Also its memory: allocations between guard zones. For what it catches and what not, see bugs.cu and selftest.cpp.
#include "cuda_emulator.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#if SHARPDIM_EMULATOR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define NO_ASAN __attribute__((no_sanitize_address))
#else
#define NO_ASAN
#endif

#if defined(__x86_64__) && !defined(SHARPDIM_EMULATOR_UCONTEXT)
#define ASSEMBLY_SWITCH 1
#else
#define ASSEMBLY_SWITCH 0
#include <ucontext.h>
#endif

// The section of the __shared__ statics. Weak: a program may have none.
extern "C" {
extern unsigned char __start_sharpdim_shared[] __attribute__((weak, visibility("hidden")));
extern unsigned char __stop_sharpdim_shared[] __attribute__((weak, visibility("hidden")));
}

namespace sharpdim_emulator {

Thread* now;
Geometry geometry;

namespace {

constexpr unsigned max_threads = 1024, max_shared = 227 * 1024;
constexpr unsigned char poison = 0xFF;  // NaN for every float, -1 for every int

// ---- fibers -------------------------------------------------------------------------------------------------------

constexpr size_t stack_bytes = SHARPDIM_EMULATOR_ASAN ? 512 << 10 : 128 << 10;

struct Stack {
    unsigned char* low = nullptr;
    size_t bytes = 0;
    void* fake = nullptr;  // ASan's own
#if ASSEMBLY_SWITCH
    void* pointer = nullptr;  // where the registers lie
#else
    ucontext_t context;
#endif
};

#if ASSEMBLY_SWITCH
// Saves the callee-saved registers, changes stacks, restores those of the other stack and returns there.
extern "C" void sharpdim_emulator_switch(void** save, void* load);
asm(R"(
.text
.globl sharpdim_emulator_switch
.hidden sharpdim_emulator_switch
.type sharpdim_emulator_switch, @function
sharpdim_emulator_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size sharpdim_emulator_switch, . - sharpdim_emulator_switch
)");

NO_ASAN void prepare(Stack& stack, void (*entry)(), unsigned colour) {
    // Tops at different cache sets: otherwise a thousand stacks would evict each other from the cache.
    auto top = reinterpret_cast<uintptr_t*>(stack.low + stack.bytes - 64 - 320 * (colour % 32));
    *--top = 0;                                  // the return address of entry: none; keeps the stack's alignment
    *--top = reinterpret_cast<uintptr_t>(entry);  // where the first switch returns to
    for (int saved = 0; saved < 6; saved++) *--top = 0;
    stack.pointer = top;
}
NO_ASAN inline void jump(Stack& from, Stack& to) { sharpdim_emulator_switch(&from.pointer, to.pointer); }
#else
void prepare(Stack& stack, void (*entry)(), unsigned) {
    getcontext(&stack.context);
    stack.context.uc_stack.ss_sp = stack.low;
    stack.context.uc_stack.ss_size = stack.bytes;
    stack.context.uc_link = nullptr;
    makecontext(&stack.context, entry, 0);
}
NO_ASAN inline void jump(Stack& from, Stack& to) { swapcontext(&from.context, &to.context); }
#endif

Stack scheduler;             // the host thread's own stack
bool scheduler_left;         // the next switch is the one away from it: ASan tells its bounds on arrival
std::vector<Stack> stacks;   // made at the first launch, kept for all later ones
std::vector<Stack*> unused;  // the last one put back is the first one taken: it is in the cache

// Called first on arrival on a stack.
NO_ASAN inline void arrived([[maybe_unused]] Stack* here) {
#if SHARPDIM_EMULATOR_ASAN
    const void* low;
    size_t bytes;
    __sanitizer_finish_switch_fiber(here ? here->fake : nullptr, &low, &bytes);
    if (scheduler_left) {
        scheduler_left = false;
        scheduler.low = static_cast<unsigned char*>(const_cast<void*>(low));
        scheduler.bytes = bytes;
    }
#endif
}
// Switches to another stack; returns when this one is resumed. `last`: it never is.
NO_ASAN inline void change_stack(Stack& from, Stack& to, [[maybe_unused]] bool last) {
#if SHARPDIM_EMULATOR_ASAN
    __sanitizer_start_switch_fiber(last ? nullptr : &from.fake, to.low, to.bytes);
#endif
    jump(from, to);
    arrived(&from);
}

void make_stacks() {
    if (!stacks.empty()) return;
    size_t page = size_t(sysconf(_SC_PAGESIZE)), stride = stack_bytes + page;
    void* memory = mmap(nullptr, stride * max_threads, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return;
    stacks.resize(max_threads);
    for (unsigned i = 0; i < max_threads; i++) {
        auto low = static_cast<unsigned char*>(memory) + i * stride;
        mprotect(low, page, PROT_NONE);  // so that an overflowing stack faults
        stacks[i].low = low + page;
        stacks[i].bytes = stack_bytes;
        unused.push_back(&stacks[i]);
    }
}

// ---- the state of the running block -------------------------------------------------------------------------------

struct Copy {  // a cp.async that has not arrived
    unsigned char* to;
    const unsigned char* from;
    unsigned bytes, source_bytes, group;
    Site site;
};

struct Fiber : Thread {
    Stack* stack = nullptr;  // none before its first step and after its last
    enum { running, at_barrier, in_collective, finished } state;
    unsigned copy_group;  // groups committed so far
    std::vector<Copy> copies;
};

struct Collective {  // lanes waiting for the rest of their mask
    uint32_t mask, arrived;
    const char* name;
    Combine combine;
    Site site;
};

struct Warp {
    uint32_t existing, at_barrier, finished;
    unsigned pending;  // how many of the collectives below are under way
    Collective collective[32];
    void* record[32];
};

struct Block {
    unsigned threads, warps, finished;
    unsigned waiting, count;  // at the barrier; with a true predicate among them
    unsigned result;          // the last barrier's count
    const char* barrier;
    Site site;
    unsigned barrier_first;  // the thread that came first
} block;

std::vector<Fiber> fibers(max_threads);
Warp warps[max_threads / 32];
void (*kernel)(const void*);
const void* parameters;
bool failed;
unsigned long long idle_pauses;
constexpr unsigned long long max_idle_pauses = 1ull << 23;  // a fraction of a second

// The queue of runnable threads, a ring buffer.
unsigned queue[2 * max_threads], queue_head, queue_length;
void push_back(unsigned thread) { queue[(queue_head + queue_length++) % (2 * max_threads)] = thread; }
void push_front(unsigned thread) {
    queue_head = (queue_head + 2 * max_threads - 1) % (2 * max_threads);
    queue[queue_head] = thread;
    queue_length++;
}
Fiber* pop() {
    if (queue_length == 0) return nullptr;
    Fiber* next = &fibers[queue[queue_head]];
    queue_head = (queue_head + 1) % (2 * max_threads);
    queue_length--;
    return next;
}

uint64_t random_state;
bool shuffled;
uint32_t random_below(uint32_t bound) {
    random_state += 0x9E3779B97F4A7C15u;
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return uint32_t(((z ^ (z >> 31)) >> 32) * bound >> 32);
}

// Makes all threads of the block runnable: warps in a new order, lanes in a new order within each.
void release_block() {
    unsigned order[max_threads / 32];
    for (unsigned i = 0; i < block.warps; i++) order[i] = i;
    if (shuffled)
        for (unsigned i = block.warps; i > 1; i--) std::swap(order[i - 1], order[random_below(i)]);
    for (unsigned i = 0; i < block.warps; i++) {
        unsigned start = shuffled ? random_below(32) : 0, step = shuffled ? random_below(16) * 2 + 1 : 1;
        for (unsigned j = 0; j < 32; j++) {
            unsigned thread = order[i] * 32 + (start + j * step) % 32;
            if (thread < block.threads) push_back(thread);
        }
    }
}

// The same for some lanes of a warp. They continue at once, or (at random, when shuffled) after all others, so that
// some orders run one warp far ahead and others keep warps in step.
void release_lanes(unsigned warp, uint32_t mask) {
    bool front = !shuffled || random_below(2);
    unsigned start = shuffled ? random_below(32) : 0, step = shuffled ? random_below(16) * 2 + 1 : 1;
    for (unsigned j = 0; j < 32; j++) {
        unsigned lane = (start + (front ? 31 - j : j) * step) % 32;
        if (!(mask >> lane & 1)) continue;
        if (front) push_front(warp * 32 + lane);
        else push_back(warp * 32 + lane);
        fibers[warp * 32 + lane].state = Fiber::running;
    }
}

// ---- messages -----------------------------------------------------------------------------------------------------
// Plain arrays: a failing thread's stack is dropped without destructors, so a std::string on it would leak.

template <size_t size> struct Text {
    char text[size];
    __attribute__((format(printf, 2, 3))) explicit Text(const char* format, ...) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, size, format, arguments);
        va_end(arguments);
    }
};
Text<1024> failure("%s", "");

Text<160> where(Site site) {
    const char *file = site.file_name(), *slash = strrchr(file, '/');
    return Text<160>("%s:%u", slash ? slash + 1 : file, unsigned(site.line()));
}
Text<64> block_name() {
    uint3 b = geometry.block;
    return Text<64>("block (%u,%u,%u)", b.x, b.y, b.z);
}
bool same(Site a, Site b) {
    return a.line() == b.line() && (a.file_name() == b.file_name() || !strcmp(a.file_name(), b.file_name()));
}

// Why nothing can run although not all threads have finished.
Text<1024> deadlock() {
    for (unsigned w = 0; w < block.warps; w++) {
        Warp& warp = warps[w];
        if (!warp.pending) continue;
        Collective& c = warp.collective[0];
        unsigned lane = unsigned(std::countr_zero(c.mask & ~c.arrived));
        return Text<1024>("%s: %s, mask 0x%08x, in warp %u of %s waits for lane %u, which waits at another operation",
                          where(c.site).text, c.name, c.mask, w, block_name().text, lane);
    }
    unsigned thread = 0;
    while (thread < block.threads && fibers[thread].state != Fiber::finished) thread++;
    return Text<1024>("%s: barrier: thread %u of %s finished while %u threads wait at %s", where(block.site).text,
                      thread, block_name().text, block.waiting, block.barrier);
}

// ---- running ------------------------------------------------------------------------------------------------------

void entry() noexcept;

NO_ASAN Stack* stack_of(Fiber* fiber) {
    if (!fiber) return &scheduler;
    if (!fiber->stack) {
        fiber->stack = unused.back();
        unused.pop_back();
        prepare(*fiber->stack, entry, unsigned(fiber->stack - stacks.data()));
    }
    return fiber->stack;
}

// The running thread yields to the next one in the queue, or, if there is none, to the scheduler.
NO_ASAN void leave() {
    auto me = static_cast<Fiber*>(now);
    Fiber* next = pop();
    if (next == me) return;
    Stack* to = stack_of(next);
    now = next;
    change_stack(*me->stack, *to, false);
}

void finish(Fiber* me);

// The entry of every fiber. It never returns: a finished thread's stack is reused by the next new thread at once,
// without a switch, so that kernels without barriers run like a plain loop.
NO_ASAN void entry() noexcept {
    arrived(nullptr);
    for (;;) {
        kernel(parameters);
        auto me = static_cast<Fiber*>(now);
        finish(me);
        Stack* stack = me->stack;
        me->stack = nullptr;
        Fiber* next = pop();
        now = next;
        if (next && !next->stack) {
            next->stack = stack;
            continue;
        }
        unused.push_back(stack);
        change_stack(*stack, next ? *next->stack : scheduler, true);
    }
}

void start_block(uint3 index) {
    geometry.block = index;
    if (geometry.dynamic_shared_bytes) memset(geometry.dynamic_shared, poison, geometry.dynamic_shared_bytes);
#if !SHARPDIM_EMULATOR_ASAN
    if (__start_sharpdim_shared)
        memset(__start_sharpdim_shared, poison, size_t(__stop_sharpdim_shared - __start_sharpdim_shared));
#endif
    block.finished = block.waiting = block.count = 0;
    for (unsigned w = 0; w < block.warps; w++) {
        unsigned lanes = std::min(32u, block.threads - 32 * w);
        warps[w].existing = uint32_t((uint64_t(1) << lanes) - 1);
        warps[w].at_barrier = warps[w].finished = warps[w].pending = 0;
    }
    for (unsigned i = 0; i < block.threads; i++) {
        fibers[i].state = Fiber::running;
        fibers[i].copy_group = 0;
    }
    queue_head = queue_length = 0;
    idle_pauses = 0;
    release_block();
}

void run_block() {
    Fiber* first = pop();
    Stack* to = stack_of(first);
    now = first;
    scheduler_left = true;
    change_stack(scheduler, *to, false);
    now = nullptr;
    if (!failed && block.finished != block.threads) {
        failed = true;
        failure = deadlock();
    }
    if (!failed) return;
    // Unfinished threads are dropped; their stacks are reused.
    for (auto& fiber : fibers) {
        fiber.copies.clear();
        if (!fiber.stack) continue;
#if SHARPDIM_EMULATOR_ASAN
        __asan_unpoison_memory_region(fiber.stack->low, fiber.stack->bytes);
#endif
        unused.push_back(fiber.stack);
        fiber.stack = nullptr;
    }
}

// Fails if a pending warp operation waits for this lane, which will never join it.
void refuse_if_awaited(Fiber* me, const char* does) {
    Warp& warp = warps[me->number / 32];
    for (unsigned i = 0; i < warp.pending; i++) {
        Collective& c = warp.collective[i];
        if (c.mask >> (me->number % 32) & 1)
            fail(c.site, "%s waits for all lanes of mask 0x%08x, but lane %u %s", c.name, c.mask, me->number % 32,
                 does);
    }
}

void finish(Fiber* me) {
    if (!me->copies.empty())
        fail(me->copies[0].site, "cp.async: the thread finished with copies that it never waited for");
    if (warps[me->number / 32].pending) refuse_if_awaited(me, "has finished");
    me->state = Fiber::finished;
    warps[me->number / 32].finished |= 1u << (me->number % 32);
    block.finished++;
    idle_pauses = 0;
}

}  // namespace

void fail(Site site, const char* format, ...) {
    char line[800];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    auto me = static_cast<Fiber*>(now);
    if (!me) {  // not inside a launch
        fprintf(stderr, "sharpdim emulator: %s: %s\n", where(site).text, line);
        abort();
    }
    failed = true;
    failure = Text<1024>("%s: thread %u of %s: %s", where(site).text, me->number, block_name().text, line);
    now = nullptr;
    change_stack(*me->stack, scheduler, true);
    abort();  // nothing comes back
}

unsigned barrier(const char* name, bool predicate, Site site) {
    auto me = static_cast<Fiber*>(now);
    Warp& warp = warps[me->number / 32];
    if (warp.pending) refuse_if_awaited(me, Text<200>("waits at a block barrier, %s", where(site).text).text);
    if (block.waiting == 0) {
        block.barrier = name;
        block.site = site;
        block.barrier_first = me->number;
    } else if (!same(site, block.site) || strcmp(name, block.barrier)) {
        fail(site, "barrier: threads of one block wait at different barriers: thread %u at %s, %s, thread %u at %s, %s",
             block.barrier_first, block.barrier, where(block.site).text, me->number, name, where(site).text);
    }
    block.count += predicate;
    block.waiting++;
    if (block.waiting == block.threads) {
        block.result = block.count;
        block.waiting = block.count = 0;
        for (unsigned w = 0; w < block.warps; w++) warps[w].at_barrier = 0;
        for (unsigned i = 0; i < block.threads; i++) fibers[i].state = Fiber::running;
        idle_pauses = 0;
        release_block();
    } else {
        me->state = Fiber::at_barrier;
        warp.at_barrier |= 1u << (me->number % 32);
    }
    leave();
    return block.result;
}

void collective(const char* name, uint32_t mask, void* record, Combine combine, Site site) {
    auto me = static_cast<Fiber*>(now);
    unsigned lane = me->number % 32;
    Warp& warp = warps[me->number / 32];
    if (!(mask >> lane & 1)) fail(site, "%s: the calling lane %u is not in its mask 0x%08x", name, lane, mask);
    if (uint32_t gone = mask & (~warp.existing | warp.finished | warp.at_barrier)) {
        unsigned other = unsigned(std::countr_zero(gone));
        const char* state = !(warp.existing >> other & 1)  ? "does not exist in this block"
                            : warp.finished >> other & 1 ? "has finished"
                                                         : "waits at a block barrier";
        fail(site, "%s: its mask 0x%08x names lane %u, which %s", name, mask, other, state);
    }
    unsigned i = 0;
    while (i < warp.pending && warp.collective[i].mask != mask) i++;
    Collective& c = warp.collective[i];
    if (i == warp.pending) {
        warp.pending++;
        c = {mask, 0, name, combine, site};
    } else if (c.combine != combine || (c.name != name && strcmp(c.name, name))) {
        fail(site, "lanes of mask 0x%08x are at different warp operations: lane %u at %s, %s, lane %u at %s, %s", mask,
             unsigned(std::countr_zero(c.arrived)), c.name, where(c.site).text, lane, name, where(site).text);
    }
    c.arrived |= 1u << lane;
    warp.record[lane] = record;
    me->state = Fiber::in_collective;
    if (c.arrived == mask) {
        if (combine) combine(warp.record, mask, site);
        c = warp.collective[--warp.pending];
        idle_pauses = 0;
        release_lanes(me->number / 32, mask);
    }
    leave();
}

void pause(Site site) {
    if (++idle_pauses > max_idle_pauses)
        fail(site, "the block spins: %llu atomics or sleeps in a row changed nothing (does it wait for another block?)",
             max_idle_pauses);
    push_back(static_cast<Fiber*>(now)->number);
    leave();
}

void progress() { idle_pauses = 0; }

bool is_shared([[maybe_unused]] const void* address, [[maybe_unused]] size_t bytes) {
#if SHARPDIM_EMULATOR_ASAN
    return true;
#else
    auto inside = [&](const unsigned char* low, const unsigned char* end) {
        auto a = static_cast<const unsigned char*>(address);
        return a >= low && a + bytes <= end;
    };
    return inside(geometry.dynamic_shared, geometry.dynamic_shared + geometry.dynamic_shared_bytes) ||
           inside(__start_sharpdim_shared, __stop_sharpdim_shared);
#endif
}

// ---- cp.async -----------------------------------------------------------------------------------------------------

void copy_later(void* to, const void* from, unsigned bytes, unsigned source_bytes, Site site) {
    if (reinterpret_cast<uintptr_t>(to) % bytes || reinterpret_cast<uintptr_t>(from) % bytes)
        fail(site, "cp.async: an address is not aligned to %u bytes: shared %p, global %p", bytes, to, from);
    if (source_bytes > bytes) fail(site, "cp.async: %u source bytes, at most %u", source_bytes, bytes);
    if (!is_shared(to, bytes)) fail(site, "cp.async: the destination is not in shared memory");
    if (is_shared(from, 1) && !SHARPDIM_EMULATOR_ASAN) fail(site, "cp.async: the source is in shared memory");
    auto source = static_cast<const unsigned char*>(from);
    if (source_bytes) {  // touched here too, so that a bad address is reported where it was given
        (void)*static_cast<const volatile unsigned char*>(source);
        (void)*static_cast<const volatile unsigned char*>(source + source_bytes - 1);
    }
    memset(to, poison, bytes);
    auto me = static_cast<Fiber*>(now);
    me->copies.push_back({static_cast<unsigned char*>(to), source, bytes, source_bytes, me->copy_group, site});
}

void copy_commit() { static_cast<Fiber*>(now)->copy_group++; }

void copy_wait(unsigned groups_left) {
    auto me = static_cast<Fiber*>(now);
    unsigned done = 0;  // copies in groups older than the ones that may be left; uncommitted ones are in none
    while (done < me->copies.size() && me->copies[done].group + groups_left < me->copy_group) {
        Copy& copy = me->copies[done++];
        memcpy(copy.to, copy.from, copy.source_bytes);
        memset(copy.to + copy.source_bytes, 0, copy.bytes - copy.source_bytes);
    }
    me->copies.erase(me->copies.begin(), me->copies.begin() + done);
}

void check_block_size(unsigned most, Site site) {
    if (block.threads > most) fail(site, "the block has %u threads, the kernel's bound is %u", block.threads, most);
}

// ---- memory -------------------------------------------------------------------------------------------------------

namespace {

// A guard value is NaN as a bfloat16, a half and a float, so that reads beyond the end show, too.
constexpr uint16_t guard_value = 0x7FFB;
constexpr size_t guard_bytes = 1024, alignment = 256;

void fill_guard(unsigned char* from, unsigned char* end) {
    for (; from < end; from++)
        *from = reinterpret_cast<uintptr_t>(from) % 2 ? guard_value >> 8 : guard_value & 0xFF;
}
bool guarded(const unsigned char* byte) {
    return *byte == (reinterpret_cast<uintptr_t>(byte) % 2 ? guard_value >> 8 : guard_value & 0xFF);
}
template <class... Values> std::string print(const char* format, Values... values) {
    char line[300];
    snprintf(line, sizeof line, format, values...);
    return line;
}
// Reports how far outside [body, body + bytes) something was written, and restores the guards.
std::string check_guards(const char* what, unsigned char* body, size_t bytes) {
    std::string message;
    for (auto p = body + bytes; p < body + bytes + guard_bytes && message.empty(); p++)
        if (!guarded(p))
            message = print("byte %zu past the end of %s of %zu bytes was written", size_t(p - (body + bytes)) + 1,
                            what, bytes);
    for (auto p = body - 1; p >= body - guard_bytes && message.empty(); p--)
        if (!guarded(p))
            message = print("byte %zu before the start of %s of %zu bytes was written", size_t(body - p), what, bytes);
    if (!message.empty()) {
        fill_guard(body - guard_bytes, body);
        fill_guard(body + bytes, body + bytes + guard_bytes);
    }
    return message;
}

std::mutex memory_mutex;
std::map<unsigned char*, size_t>& allocations() {
    static auto& map = *new std::map<unsigned char*, size_t>;  // never destroyed: frees may come at exit
    return map;
}

std::string check_allocations() {
    std::string message;
#if !SHARPDIM_EMULATOR_ASAN
    std::lock_guard lock(memory_mutex);
    for (auto& [body, bytes] : allocations()) {
        std::string bad = check_guards("an allocation", body, bytes);
        if (message.empty()) message = bad;
    }
#endif
    return message;
}

unsigned char* new_block(size_t bytes, size_t align) {
    size_t guard = SHARPDIM_EMULATOR_ASAN ? 0 : guard_bytes;
    void* memory = nullptr;
    if (bytes > SIZE_MAX - 2 * guard || posix_memalign(&memory, align, bytes + 2 * guard)) return nullptr;
    auto body = static_cast<unsigned char*>(memory) + guard;
    memset(body, poison, bytes);
    fill_guard(body - guard, body);
    fill_guard(body + bytes, body + bytes + guard);
    return body;
}
void delete_block(unsigned char* body) { free(body - (SHARPDIM_EMULATOR_ASAN ? 0 : guard_bytes)); }

int answer(const std::string& message, char* error, size_t length) {
    if (message.empty()) return 0;
    if (error && length) snprintf(error, length, "%s", message.c_str());
    return 1;
}

std::string launch(const uint32_t grid[3], const uint32_t threads[3], uint32_t shared_bytes, uint64_t seed) {
    uint64_t count = uint64_t(threads[0]) * threads[1] * threads[2], blocks = uint64_t(grid[0]) * grid[1] * grid[2];
    if (count == 0 || threads[0] > 1024 || threads[1] > 1024 || threads[2] > 64 || count > max_threads)
        return print("launch: a block of %u x %u x %u threads", threads[0], threads[1], threads[2]);
    if (blocks == 0 || grid[0] > INT32_MAX || grid[1] > 65535 || grid[2] > 65535)
        return print("launch: a grid of %u x %u x %u blocks", grid[0], grid[1], grid[2]);
    if (shared_bytes > max_shared)
        return print("launch: %u bytes of dynamic shared memory, at most %u", shared_bytes, max_shared);
    make_stacks();
    if (stacks.empty()) return "launch: no memory for the fibers' stacks";

    geometry.threads = dim3(threads[0], threads[1], threads[2]);
    geometry.grid = dim3(grid[0], grid[1], grid[2]);
    geometry.dynamic_shared = new_block(shared_bytes, 128);
    geometry.dynamic_shared_bytes = shared_bytes;
    if (!geometry.dynamic_shared) return "launch: no memory for the dynamic shared memory";
    block.threads = unsigned(count);
    block.warps = (block.threads + 31) / 32;
    shuffled = seed != 0;
    random_state = seed;
    failed = false;
    for (unsigned i = 0; i < block.threads; i++) {
        fibers[i].number = i;
        fibers[i].index = {i % threads[0], i / threads[0] % threads[1], i / (threads[0] * threads[1])};
    }

    // Block order when shuffled: a stride coprime to the number of blocks, from a random start.
    uint64_t stride = 1, position = 0;
    if (shuffled) {
        position = random_below(uint32_t(std::min<uint64_t>(blocks, UINT32_MAX)));
        auto common = [](uint64_t a, uint64_t b) {
            while (b) std::swap(a %= b, b);
            return a;
        };
        do stride = 1 + random_below(uint32_t(std::min<uint64_t>(blocks, 1u << 30)));
        while (common(stride, blocks) != 1);
    }
    std::string message;
    for (uint64_t i = 0; i < blocks && message.empty(); i++, position = (position + stride) % blocks) {
        start_block({uint32_t(position % grid[0]), uint32_t(position / grid[0] % grid[1]),
                     uint32_t(position / (uint64_t(grid[0]) * grid[1]))});
        run_block();
        if (failed) message = failure.text;
        if (!SHARPDIM_EMULATOR_ASAN) {
            std::string bad = check_guards("the dynamic shared memory", geometry.dynamic_shared, shared_bytes);
            if (!bad.empty()) message += print("%s%s: %s", message.empty() ? "" : "; ", block_name().text, bad.c_str());
        }
    }
    delete_block(geometry.dynamic_shared);
    geometry.dynamic_shared = nullptr;
    std::string bad = check_allocations();
    if (!bad.empty()) message += (message.empty() ? "" : "; ") + bad;
    return message;
}

}  // namespace
}  // namespace sharpdim_emulator

// ---- the C interface ----------------------------------------------------------------------------------------------

extern "C" {

// Runs the kernel (an emulate_<name> function) over the grid. Returns 0, or 1 with a message. order_seed 0: threads and
// blocks in index order; any other: orders determined by the seed, new ones after every barrier.
int sharpdim_emulator_launch(void (*kernel)(const void*), const void* params, const uint32_t grid[3],
                             const uint32_t block[3], uint32_t shared_bytes, uint64_t order_seed, char* error,
                             size_t error_len) {
    static std::mutex mutex;  // one launch at a time in the process
    std::lock_guard lock(mutex);
    sharpdim_emulator::kernel = kernel;
    sharpdim_emulator::parameters = params;
    std::string message = sharpdim_emulator::launch(grid, block, shared_bytes, order_seed);
    return sharpdim_emulator::answer(message, error, error_len);
}

// Device memory, poisoned with 0xFF bytes; null when none is left.
void* sharpdim_emulator_alloc(size_t bytes) {
    unsigned char* body = sharpdim_emulator::new_block(bytes, sharpdim_emulator::alignment);
    if (!body) return nullptr;
    std::lock_guard lock(sharpdim_emulator::memory_mutex);
    sharpdim_emulator::allocations()[body] = bytes;
    return body;
}

void sharpdim_emulator_free(void* address) {
    if (!address) return;
    auto body = static_cast<unsigned char*>(address);
    std::lock_guard lock(sharpdim_emulator::memory_mutex);
    auto found = sharpdim_emulator::allocations().find(body);
    if (found == sharpdim_emulator::allocations().end()) {
        fprintf(stderr, "sharpdim emulator: free of %p, which is no live allocation\n", address);
        abort();
    }
    memset(body, sharpdim_emulator::poison, found->second);  // a kernel that still reads it shows
    sharpdim_emulator::allocations().erase(found);
    sharpdim_emulator::delete_block(body);
}

// Checks the guard zones of all live allocations. Returns 0, or 1 with a message. Every launch checks them, too.
int sharpdim_emulator_check(char* error, size_t error_len) {
    return sharpdim_emulator::answer(sharpdim_emulator::check_allocations(), error, error_len);
}

}  // extern "C"
