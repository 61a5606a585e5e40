/* SPDX-License-Identifier: Apache-2.0 */
/* crash [SEED [COUNT [STEPS]]]: run schedules from SEED on, and say which went wrong. */
#include "crash.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 100;
    unsigned steps = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 3000;
    uint64_t wrong = 0, crashes = 0, taken = 0;

    for (uint64_t i = 0; i < count; i++) {
        static struct crash crash;
        if (!crash_run(&crash, seed + i, steps)) {
            wrong++;
            printf("%.*s    replay: ./dev sim crash %llu 1 %u\n",
                   STR_ARG(buf_str(&crash.ledger.wrong)), (unsigned long long)(seed + i), steps);
        }
        crashes += crash.broker.crashes;
        for (size_t c = 0; c < PUBLISHERS; c++)
            taken += crash.ledger.authors[c].sent[STREAM_SURE];
        crash_finish(&crash);
    }
    printf("%llu schedules, %llu crashes, %llu messages, %llu wrong\n", (unsigned long long)count,
           (unsigned long long)crashes, (unsigned long long)taken, (unsigned long long)wrong);
    return wrong > 0;
}
