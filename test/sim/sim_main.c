/* SPDX-License-Identifier: Apache-2.0 */
/* sim: run random schedules of a mesh, and replay the ones that fail.
 *
 *     sim --seed 17 --nodes 8 --steps 60 --schedules 500
 *
 * Prints a line for each failing seed with the command that replays it; ends with 1 if
 * there was one. */
#include "sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Every so many schedules one is run twice: the effects must be the same. I16. */
enum { TWICE_EVERY = 16 };

struct options {
    struct sim_schedule schedule;
    const char *topology;
    uint64_t schedules;
};

static int usage(void)
{
    fputs("usage: sim [--seed S] [--nodes N] [--steps K] [--schedules M] [--no-faults] [--trace]\n"
          "           [--topology ring|star|tree|grid|full|random]\n",
          stderr);
    return 2;
}

static int parse(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = {
        { "seed", required_argument, NULL, 's' },     { "nodes", required_argument, NULL, 'n' },
        { "steps", required_argument, NULL, 'k' },    { "schedules", required_argument, NULL, 'm' },
        { "topology", required_argument, NULL, 't' }, { "trace", no_argument, NULL, 'v' },
        { "no-faults", no_argument, NULL, 'f' },      { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (option) {
        case 's': options->schedule.seed = strtoull(optarg, NULL, 10); break;
        case 'n': options->schedule.nodes = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'k': options->schedule.steps = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'm': options->schedules = strtoull(optarg, NULL, 10); break;
        case 't': options->topology = optarg; break;
        case 'v': options->schedule.trace = true; break;
        case 'f': options->schedule.faults = false; break;
        default: return usage();
        }
    }
    if (options->topology) {
        options->schedule.shape = sim_shape_named(options->topology);
        if (options->schedule.shape == SIM_SHAPES)
            return usage();
    }
    return options->schedule.nodes == 1 ? usage() : 0;
}

static void report(const struct options *options, const char *failure)
{
    const struct sim_schedule *schedule = &options->schedule;

    printf("FAILED %s\n    replay: sim --seed %" PRIu64 " --steps %u", failure, schedule->seed,
           schedule->steps);
    if (schedule->nodes)
        printf(" --nodes %u", schedule->nodes);
    if (options->topology)
        printf(" --topology %s", options->topology);
    printf("%s --trace\n", schedule->faults ? "" : " --no-faults");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct options options = { .schedule = { .steps = 60, .shape = SIM_SHAPES, .faults = true },
                               .schedules = 1 };
    uint64_t failures = 0, steps = 0, delivered = 0, hash = 0;
    int status = parse(argc, argv, &options);
    clock_t begin = clock();

    if (status)
        return status;
    for (uint64_t i = 0; i < options.schedules; i++, options.schedule.seed++) {
        struct sim_result result = sim_schedule_run(&options.schedule);
        if (!result.failure[0] && i % TWICE_EVERY == TWICE_EVERY - 1 &&
            sim_schedule_run(&options.schedule).hash != result.hash)
            strcpy(result.failure, "I16: the same seed gave other effects");
        if (result.failure[0]) {
            failures++;
            report(&options, result.failure);
        }
        steps += result.steps;
        delivered += result.delivered;
        hash ^= result.hash;
    }
    printf("%" PRIu64 " schedules, %" PRIu64 " failed; %" PRIu64 " steps, %" PRIu64
           " deliveries, effects %016" PRIx64 ", %.1f s\n",
           options.schedules, failures, steps, delivered, hash,
           (double)(clock() - begin) / CLOCKS_PER_SEC);
    return failures ? 1 : 0;
}
