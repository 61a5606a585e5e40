/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory and time the subscription index takes, in figures: bytes a subscription
 * and nanoseconds a match, with and without the cache, exact filters and a mixture. */
#include "base/hash.h"
#include "base/rand.h"
#include "core/sub_index.h"

#include <malloc.h>
#include <stdio.h>
#include <time.h>

enum { MATCHES = 200000 };

static double now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static struct str topic_at(char *out, uint64_t i)
{
    return (struct str){ out, (size_t)sprintf(out, "plant/%u/dev%u/temp", (unsigned)(i % 97),
                                              (unsigned)i) };
}

/* Every tenth filter of a mixture is wild. */
static struct str filter_at(char *out, uint64_t i, bool mixed)
{
    if (mixed && i % 10 == 3)
        return (struct str){ out, (size_t)sprintf(out, "plant/%u/dev%u/+", (unsigned)(i % 97),
                                                  (unsigned)i) };
    if (mixed && i % 10 == 7)
        return (struct str){ out, (size_t)sprintf(out, "+/+/dev%u/#", (unsigned)i) };
    return topic_at(out, i);
}

/* Nanoseconds a match over topics of a population; every one new if cold. */
static double match_ns(struct sub_index *index, uint64_t count, uint64_t topics)
{
    struct rand rand;
    char text[64];
    size_t found, sum = 0;
    double spent = 0;

    rand_init(&rand, 1);
    for (int i = 0; i < MATCHES; i++) {
        struct str topic = topic_at(text, rand_below(&rand, topics) * 7919 % count);
        uint64_t hash = hash_fast(1, topic.ptr, topic.len);
        double before = now_ns();
        sub_index_match(index, topic, hash, &found);
        spent += now_ns() - before;
        sum += found;
    }
    if (sum == 0)
        puts("nothing matched");
    return spent / MATCHES;
}

static double clock_ns(void)
{
    double spent = 0;

    for (int i = 0; i < MATCHES; i++) {
        double before = now_ns();
        spent += now_ns() - before;
    }
    return spent / MATCHES;
}

static void measure(uint64_t count, bool mixed)
{
    struct sub_index *index = sub_index_new(42);
    size_t heap = mallinfo2().uordblks + mallinfo2().hblkhd;
    char text[64];
    double begin = now_ns();

    for (uint64_t i = 0; i < count; i++) {
        struct sub_entry entry = { .session = (session_id)i };
        struct sub_interest interest;
        filter_id id;
        bool existed;
        if (sub_index_add(index, filter_at(text, i, mixed), &entry, &id, &existed, &interest))
            return;
    }
    double add_ns = (now_ns() - begin) / (double)count;
    heap = mallinfo2().uordblks + mallinfo2().hblkhd - heap;
    double clock = clock_ns();
    printf("%8u %-6s  %5.0f B/sub heap, %5.0f B counted  add %5.0f ns  match cold %5.0f ns, "
           "cached %4.0f ns\n",
           (unsigned)count, mixed ? "mixed" : "exact", (double)heap / (double)count,
           (double)sub_index_stats(index).bytes / (double)count, add_ns,
           match_ns(index, count, count) - clock,
           match_ns(index, count, 1000 < count ? 1000 : count) - clock);
    sub_index_free(index);
}

int main(void)
{
    static const uint64_t counts[] = { 1000, 100000, 1000000 };

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        measure(counts[i], false);
        measure(counts[i], true);
    }
    return 0;
}
