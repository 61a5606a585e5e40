/* SPDX-License-Identifier: Apache-2.0 */
/* fleet: run random schedules of whole brokers in a mesh, and replay the ones that fail.
 *
 *     ./dev sim fleet --seed 17 --nodes 3 --steps 80 --schedules 500
 *
 * Prints what went wrong for each failing seed, and the command that replays it; ends with 1
 * if there was one. */
#include "fleet.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Every so many schedules one is run twice: the effects must be the same. */
enum { TWICE_EVERY = 16 };

struct options {
    uint64_t seed, schedules;
    uint32_t nodes;
    unsigned steps;
    bool trace;
};

static int usage(void)
{
    fputs("usage: fleet [--seed S] [--nodes 2..6] [--steps K] [--schedules M] [--trace]\n", stderr);
    return 2;
}

static int parse(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = {
        { "seed", required_argument, NULL, 's' },      { "nodes", required_argument, NULL, 'n' },
        { "steps", required_argument, NULL, 'k' },     { "trace", no_argument, NULL, 'v' },
        { "schedules", required_argument, NULL, 'm' }, { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (option) {
        case 's': options->seed = strtoull(optarg, NULL, 10); break;
        case 'n': options->nodes = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'k': options->steps = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'm': options->schedules = strtoull(optarg, NULL, 10); break;
        case 'v': options->trace = true; break;
        default: return usage();
        }
    }
    return options->nodes == 1 || options->nodes > FLEET_MAX ? usage() : 0;
}

/* One schedule; true when all went well. */
static bool run(const struct options *options, bool twice, struct fleet_result *sum)
{
    struct fleet_result result, again;
    struct buf wrong = { 0 };
    bool well =
        fleet_run(options->seed, options->nodes, options->steps, options->trace, &result, &wrong);

    if (well && twice) {
        fleet_run(options->seed, options->nodes, options->steps, false, &again, &wrong);
        well = again.hash == result.hash;
        if (!well)
            buf_printf(&wrong, "the same seed gave other effects\n");
    }
    if (!well) {
        printf("%.*s    replay: ./dev sim fleet --seed %" PRIu64 " --steps %u",
               STR_ARG(buf_str(&wrong)), options->seed, options->steps);
        if (options->nodes)
            printf(" --nodes %u", options->nodes);
        printf(" --trace\n");
        fflush(stdout);
    }
    sum->crashes += result.crashes;
    sum->messages += result.messages;
    sum->crossed += result.crossed;
    sum->lost += result.lost;
    sum->hash ^= result.hash;
    buf_finish(&wrong);
    return well;
}

int main(int argc, char **argv)
{
    struct options options = { .seed = 1, .schedules = 1, .steps = 50 };
    struct fleet_result sum = { 0 };
    uint64_t failed = 0;
    int status = parse(argc, argv, &options);
    clock_t begin = clock();

    if (status)
        return status;
    for (uint64_t i = 0; i < options.schedules; i++, options.seed++)
        failed += !run(&options, i % TWICE_EVERY == TWICE_EVERY - 1, &sum);
    printf("%" PRIu64 " schedules, %" PRIu64 " wrong; %" PRIu64 " crashes, %" PRIu64
           " messages, %" PRIu64 " copies came, %" PRIu64 " were lost, effects %016" PRIx64
           ", %.1f s\n",
           options.schedules, failed, sum.crashes, sum.messages, sum.crossed, sum.lost, sum.hash,
           (double)(clock() - begin) / CLOCKS_PER_SEC);
    return failed > 0;
}
