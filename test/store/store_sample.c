/* SPDX-License-Identifier: Apache-2.0 */
/* Make a sample directory of the format that this tree writes: store_sample DIR, which must
 * not exist. What it writes was committed as samples/v1 when that format was new; test_sample.c
 * opens it ever after. */
#include "sample.h"

#include "base/err.h"
#include "store/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The last bytes of a segment are zeroes, which need not be kept. */
static void journal_cut(const char *dir)
{
    char path[1024];

    for (unsigned i = 1; i < 10; i++) {
        long used = 0, at = 0;
        snprintf(path, sizeof path, "%s/journal-%016x.log", dir, i);
        FILE *file = fopen(path, "rb");
        if (!file)
            continue;
        for (int c; (c = getc(file)) != EOF; at++)
            used = c ? at + 1 : used;
        fclose(file);
        if (used == 0)
            unlink(path); /* the spare */
        else if (truncate(path, (used + 7) / 8 * 8) != 0)
            perror(path);
    }
}

int main(int argc, char **argv)
{
    struct rig rig;

    if (argc != 2 || mkdir(argv[1], 0700) != 0) {
        fprintf(stderr, "usage: %s DIR, which is made\n", argv[0]);
        return EXIT_FAILURE;
    }
    rig_init(&rig, &(struct store_config){ .dir = argv[1], .tables_bytes_max = 1 << 20 });
    if (rig_open(&rig) != ERR_OK)
        return EXIT_FAILURE;
    sample_fill(&rig);
    rig_finish(&rig);
    journal_cut(argv[1]);
    return EXIT_SUCCESS;
}
