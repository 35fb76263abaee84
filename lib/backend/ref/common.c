/* common.c - heap selection of the items that come first, and heap sort. */
#include "backend/ref/common.h"

/* Moves the item at `hole` down until no child comes after it. */
static void sift_down(struct selection *s, int64_t hole, int64_t count)
{
    int32_t item = s->items[hole];
    for (;;) {
        int64_t child = 2 * hole + 1;
        if (child >= count)
            break;
        if (child + 1 < count && s->before(s->context, s->items[child], s->items[child + 1]))
            child++;
        if (!s->before(s->context, item, s->items[child]))
            break;
        s->items[hole] = s->items[child];
        hole = child;
    }
    s->items[hole] = item;
}

static void sift_up(struct selection *s, int64_t hole)
{
    int32_t item = s->items[hole];
    while (hole > 0) {
        int64_t parent = (hole - 1) / 2;
        if (!s->before(s->context, s->items[parent], item))
            break;
        s->items[hole] = s->items[parent];
        hole = parent;
    }
    s->items[hole] = item;
}

void selection_offer(struct selection *s, int32_t item)
{
    if (s->count < s->capacity) {
        s->items[s->count] = item;
        sift_up(s, s->count++);
    } else if (s->capacity > 0 && s->before(s->context, item, s->items[0])) {
        s->items[0] = item;
        sift_down(s, 0, s->count);
    }
}

void selection_sort(struct selection *s)
{
    for (int64_t last = s->count - 1; last > 0; last--) {
        int32_t item = s->items[0];
        s->items[0] = s->items[last];
        s->items[last] = item;
        sift_down(s, 0, last);
    }
}

static bool smaller(const void *context, int32_t a, int32_t b)
{
    (void)context;
    return a < b;
}

void sort_ascending(int32_t *items, int64_t count)
{
    struct selection s = {items, 0, count, smaller, NULL};
    for (int64_t i = 0; i < count; i++)
        selection_offer(&s, items[i]); /* item i is read before its place is written */
    selection_sort(&s);
}
