/* cuemu.cc - the threads of the emulated device: fibers, barriers, warps, asynchronous copies.
 *
 * A block is run by one host thread: its fibers take turns, each until it has to wait. CUEMU_SEED
 * turns the order in which they begin. */
#include "cuemu.h"

#include <stdio.h>
#include <stdlib.h>

#include <atomic>
#include <vector>

#include "fiber.h"

namespace cuemu {

enum { STACK = 64 << 10, WAIT_NONE = 0, WAIT_BLOCK, WAIT_WARP };

struct copy {
    void *to;
    const void *from;
    int bytes;
};

struct warp {
    unsigned generation, arrived, expected;
    int line, lanes;
    unsigned char slots[2][32][32];
};

struct fiber {
    struct fiber_context context;
    dim3 index;
    int number, lane, waiting, line;
    unsigned generation;
    bool done, pdl;
    struct warp *warp;
    std::vector<copy> open;                /* not committed */
    std::vector<std::vector<copy>> groups; /* committed, oldest first */
};

struct block {
    std::vector<fiber> fibers;
    std::vector<struct warp> warps;
    struct fiber_context scheduler;
    const std::function<void()> *body;
    const char *name;
    dim3 index, size, grid;
    unsigned char *shared;
    size_t shared_bytes;
    int live, waiting;
    unsigned generation;
    int vote_sum[2], vote_result;
};

static thread_local struct block *B;
static thread_local struct fiber *F;

const dim3 &thread_index() { return F->index; }
const dim3 &block_index() { return B->index; }
const dim3 &block_size() { return B->size; }
const dim3 &grid_size() { return B->grid; }
int lane() { return F->lane; }
void *shared_memory() { return B->shared; }
void saw_pdl_wait() { F->pdl = true; }
unsigned warp_lanes() { return (unsigned)F->warp->lanes; }

void fail(const char *what, int line)
{
    fprintf(stderr, "cuemu: %s: %s, line %d, block %u,%u,%u thread %d\n", B ? B->name : "host", what,
            line, B ? B->index.x : 0, B ? B->index.y : 0, B ? B->index.z : 0, F ? F->number : 0);
    abort();
}

static void yield()
{
    fiber_switch(&F->context, &B->scheduler, F->done);
}

/* ---- barriers ------------------------------------------------------------------------------ */

static void check_barrier(int line)
{
    for (struct fiber &f : B->fibers)
        if (!f.done && f.waiting == WAIT_BLOCK && f.generation == B->generation && f.line != line)
            fail("threads of a block wait at different barriers", line);
}

static int arrive(int line, int kind, int value)
{
    const unsigned generation = B->generation;
    if (B->waiting == 0)
        B->vote_sum[0] = B->vote_sum[1] = 0;
    fiber_release(B);
    F->waiting = WAIT_BLOCK;
    F->generation = generation;
    F->line = line;
    B->vote_sum[0] += value != 0;
    if (++B->waiting == B->live) {
        if (B->live != (int)B->fibers.size())
            fail("a thread has left before a barrier that others wait at", line);
        check_barrier(line);
        const int count = B->vote_sum[0];
        B->vote_result = kind == 0 ? count : kind == 1 ? count == B->live : count > 0;
        B->waiting = 0;
        B->generation = generation + 1;
    }
    while (B->generation == generation)
        yield();
    F->waiting = WAIT_NONE;
    fiber_acquire(B);
    return B->vote_result;
}

void block_barrier(int line) { arrive(line, 0, 0); }
int block_vote(int line, int kind, int predicate) { return arrive(line, kind, predicate); }

const unsigned char (*warp_exchange(unsigned mask, const void *value, size_t bytes, int line))[32]
{
    struct warp *w = F->warp;
    const unsigned all = w->lanes == 32 ? 0xffffffffu : (1u << w->lanes) - 1;
    const unsigned wanted = mask & all, generation = w->generation;
    if (!(wanted >> F->lane & 1))
        fail("a lane takes part in a collective whose mask leaves it out", line);
    if (w->arrived == 0) {
        w->line = line;
        w->expected = wanted;
    } else if (w->line != line) {
        fail("lanes of a warp meet at different collectives", line);
    } else if (w->expected != wanted) {
        fail("lanes of a warp give different masks", line);
    }
    memcpy(w->slots[generation & 1][F->lane], value, bytes);
    fiber_release(w);
    F->waiting = WAIT_WARP;
    F->generation = generation;
    F->line = line;
    w->arrived |= 1u << F->lane;
    if (w->arrived == wanted) {
        w->arrived = 0;
        w->generation = generation + 1;
    }
    while (w->generation == generation)
        yield();
    F->waiting = WAIT_NONE;
    fiber_acquire(w);
    return w->slots[generation & 1];
}

/* ---- warp collectives ---------------------------------------------------------------------- */

unsigned ballot(unsigned mask, int predicate, int line)
{
    const unsigned char mine = predicate != 0;
    const unsigned char(*all)[32] = warp_exchange(mask, &mine, 1, line);
    unsigned votes = 0;
    for (unsigned i = 0; i < warp_lanes(); i++)
        if (mask >> i & 1)
            votes |= (unsigned)all[i][0] << i;
    return votes;
}

unsigned reduce(unsigned mask, unsigned value, int kind, int line)
{
    const unsigned char(*all)[32] = warp_exchange(mask, &value, sizeof value, line);
    unsigned result = kind == 1 ? 0xffffffffu : 0;
    for (unsigned i = 0; i < warp_lanes(); i++) {
        unsigned other;
        if (!(mask >> i & 1))
            continue;
        memcpy(&other, all[i], sizeof other);
        result = kind == 0   ? result + other
                 : kind == 1 ? (other < result ? other : result)
                 : kind == 2 ? (other > result ? other : result)
                             : result | other;
    }
    return result;
}

unsigned match_any(unsigned mask, uint64_t value, int line)
{
    const unsigned char(*all)[32] = warp_exchange(mask, &value, sizeof value, line);
    unsigned same = 0;
    for (unsigned i = 0; i < warp_lanes(); i++)
        if (mask >> i & 1)
            same |= (unsigned)(memcmp(all[i], &value, sizeof value) == 0) << i;
    return same;
}

static float number(uint32_t word, int high, bool half)
{
    const uint16_t bits = (uint16_t)(high ? word >> 16 : word);
    return half ? half_value(bits) : __uint_as_float((unsigned)bits << 16);
}

/* The fragments of PTX's m16n8k16 and m16n8k8: lane = 4 * row (or column) + pair of k. */
void multiply_tile(float d[4], const uint32_t *a, const uint32_t *b, int depth, bool half, int line)
{
    uint32_t mine[6] = {0};
    const int a_words = depth / 4, b_words = depth / 8;
    memcpy(mine, a, 4 * (size_t)a_words);
    memcpy(mine + 4, b, 4 * (size_t)b_words);
    const unsigned char(*all)[32] = warp_exchange(0xffffffffu, mine, sizeof mine, line);
    const int row = lane() >> 2, column = (lane() & 3) * 2;
    float sum[4] = {0, 0, 0, 0};
    for (int pair = 0; pair < 4; pair++) {
        const uint32_t *wa = (const uint32_t *)(const void *)all[row * 4 + pair];
        const uint32_t *w0 = (const uint32_t *)(const void *)all[column * 4 + pair];
        const uint32_t *w1 = (const uint32_t *)(const void *)all[(column + 1) * 4 + pair];
        for (int k8 = 0; k8 < b_words; k8++)
            for (int high = 0; high < 2; high++) {
                const float x = number(wa[2 * k8], high, half), y = number(wa[2 * k8 + 1], high, half);
                const float u = number(w0[4 + k8], high, half), v = number(w1[4 + k8], high, half);
                sum[0] += x * u;
                sum[1] += x * v;
                sum[2] += y * u;
                sum[3] += y * v;
            }
    }
    for (int i = 0; i < 4; i++)
        d[i] += sum[i];
}

void load_matrices(uint32_t *r, const void *row, int count, bool transposed, int line)
{
    const unsigned char *rows[32];
    if (lane() < 8 * count && ((uintptr_t)row & 15))
        fail("ldmatrix of an address that is no multiple of 16", line);
    const unsigned char(*all)[32] = warp_exchange(0xffffffffu, &row, sizeof row, line);
    for (int i = 0; i < 32; i++)
        memcpy(&rows[i], all[i], sizeof rows[i]);
    for (int i = 0; i < count; i++) {
        if (!transposed) {
            r[i] = *(const uint32_t *)(const void *)(rows[8 * i + lane() / 4] + 4 * (lane() % 4));
            continue;
        }
        uint32_t word = 0;
        for (int h = 0; h < 2; h++)
            word |= (uint32_t) * (const uint16_t *)(const void *)(rows[8 * i + lane() % 4 * 2 + h] +
                                                                  lane() / 4 * 2)
                    << 16 * h;
        r[i] = word;
    }
}

/* ---- asynchronous copies ------------------------------------------------------------------- */

void copy_async(void *shared, const void *global, int bytes)
{
    if (((uintptr_t)shared & 15) || (bytes && ((uintptr_t)global & 15)))
        fail("cp.async of an address that is no multiple of 16", 0);
    memset(shared, 0xff, 16); /* until it is waited for */
    F->open.push_back({shared, global, bytes});
}

void copy_commit()
{
    F->groups.push_back(std::move(F->open));
    F->open.clear();
}

void copy_wait(int groups)
{
    while ((int)F->groups.size() > groups) {
        for (const copy &c : F->groups.front()) {
            memcpy(c.to, c.from, (size_t)c.bytes);
            memset((char *)c.to + c.bytes, 0, 16 - (size_t)c.bytes);
        }
        F->groups.erase(F->groups.begin());
    }
}

/* ---- halves -------------------------------------------------------------------------------- */

uint16_t half_bits(float value)
{
    const uint16_t sign = (uint16_t)(__float_as_uint(value) >> 16 & 0x8000);
    const float size = fabsf(value);
    int exponent;
    if (std::isnan(value))
        return 0x7fff;
    if (size == 0)
        return sign;
    if (size >= 65520.0f)
        return sign | 0x7c00;
    frexpf(size, &exponent);
    const int spacing = exponent - 11 > -24 ? exponent - 11 : -24;
    const unsigned units = (unsigned)rintf(ldexpf(size, -spacing));
    return (uint16_t)(sign | (spacing == -24 ? units : (unsigned)(spacing + 24) * 1024u + units));
}

float half_value(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float size = exponent == 0 ? ldexpf((float)fraction, -24)
                               : ldexpf((float)(fraction + 1024), exponent - 25);
    if (exponent == 31)
        size = fraction ? __uint_as_float(0x7fffffff) : __uint_as_float(0x7f800000);
    return bits & 0x8000 ? -size : size;
}

/* ---- running a grid ------------------------------------------------------------------------ */

static void fiber_main()
{
    fiber_acquire(B);
    (*B->body)();
    if (!F->pdl)
        fail("the kernel never called cu_pdl_wait", 0);
    if (!F->open.empty() || !F->groups.empty())
        for (const auto &group : F->groups)
            if (!group.empty())
                fail("a thread left with copies under way", 0);
    fiber_release(B);
    F->done = true;
    B->live--;
    yield();
}

static bool blocked(const struct fiber &f)
{
    return f.done || (f.waiting == WAIT_BLOCK && f.generation == B->generation) ||
           (f.waiting == WAIT_WARP && f.generation == f.warp->generation);
}

static void run_fibers(unsigned turn)
{
    const size_t count = B->fibers.size();
    while (B->live > 0) {
        bool moved = false;
        for (size_t k = 0; k < count; k++) {
            struct fiber &f = B->fibers[(k + turn) % count];
            if (blocked(f))
                continue;
            F = &f;
            fiber_switch(&B->scheduler, &f.context, false);
            moved = true;
        }
        turn = turn * 1664525u + 1013904223u * (turn != 0);
        if (!moved) {
            F = &B->fibers[0];
            fail("deadlock: some threads have left or wait where the others never come", F->line);
        }
    }
    fiber_acquire(B);
}

static void run_block(struct block &b, char *stacks, unsigned turn)
{
    const int threads = (int)b.fibers.size();
    B = &b;
    b.live = threads;
    b.waiting = 0;
    b.generation = 0;
    b.warps.assign((size_t)(threads + 31) / 32, warp());
    /* Exactly as large as asked for: what goes beyond is found by a sanitizer. */
    b.shared = (unsigned char *)aligned_alloc(128, (b.shared_bytes + 128) / 128 * 128);
    memset(b.shared, 0xff, b.shared_bytes);
    fiber_forbid(b.shared + b.shared_bytes, (b.shared_bytes + 128) / 128 * 128 - b.shared_bytes);
    for (int t = 0; t < threads; t++) {
        struct fiber &f = b.fibers[(size_t)t];
        const unsigned u = (unsigned)t;
        f.index = dim3(u % b.size.x, u / b.size.x % b.size.y, u / (b.size.x * b.size.y));
        f.number = t;
        f.lane = t & 31;
        f.waiting = WAIT_NONE;
        f.done = f.pdl = false;
        f.warp = &b.warps[(size_t)t / 32];
        f.warp->lanes = threads - (t & ~31) < 32 ? threads - (t & ~31) : 32;
        f.open.clear();
        f.groups.clear();
        fiber_start(&f.context, stacks + (size_t)t * STACK, STACK, fiber_main);
    }
    fiber_release(B);
    run_fibers(turn);
    fiber_allow(b.shared + b.shared_bytes, (b.shared_bytes + 128) / 128 * 128 - b.shared_bytes);
    free(b.shared);
    B = nullptr;
    F = nullptr;
}

static unsigned seed()
{
    const char *text = getenv("CUEMU_SEED");
    return text ? (unsigned)strtoul(text, nullptr, 10) : 0;
}

void run_grid(dim3 grid, dim3 size, size_t shared, const std::function<void()> &body, const char *name)
{
    const long blocks = (long)grid.x * grid.y * grid.z;
    const size_t threads = (size_t)size.x * size.y * size.z;
    const unsigned order = seed();
#if defined(_OPENMP) && !defined(__SANITIZE_THREAD__)
#pragma omp parallel if (blocks > 1)
#endif
    {
        struct block b = {};
        b.body = &body;
        b.name = name;
        b.size = size;
        b.grid = grid;
        b.shared_bytes = shared;
        b.fibers = std::vector<fiber>(threads);
        char *stacks = (char *)malloc(threads * STACK);
        for (struct fiber &f : b.fibers)
            fiber_open(&f.context);
#if defined(_OPENMP) && !defined(__SANITIZE_THREAD__)
#pragma omp for schedule(dynamic, 1)
#endif
        for (long i = 0; i < blocks; i++) {
            b.index = dim3((unsigned)(i % grid.x), (unsigned)(i / grid.x % grid.y),
                           (unsigned)(i / grid.x / grid.y));
            run_block(b, stacks, order ? order * 2654435761u + (unsigned)i : 0);
        }
        for (struct fiber &f : b.fibers)
            fiber_close(&f.context);
        free(stacks);
    }
}

} /* namespace cuemu */
