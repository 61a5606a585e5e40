/* SPDX-License-Identifier: Apache-2.0 */
/* Run a fuzz target without libFuzzer: over every file of a corpus directory, then over
 * changes of them, the same ones each time. */
#include "fuzz.h"

#include "base/buf.h"
#include "base/rand.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

enum { SEEDS_MAX = 1000, CHANGES = 4000, INPUT_MAX = 4096 };

/* Append the file's content; false when it cannot be read. */
static bool file_read(const char *dir, const char *name, struct buf *out)
{
    char path[1024];
    uint8_t chunk[4096];
    size_t n;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
        buf_append(out, chunk, n);
    return fclose(file) == 0 && !out->failed;
}

/* Try a copy of its own, so that a sanitizer sees the first byte too many. */
static void try_copy(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);

    assert(copy);
    if (len)
        memcpy(copy, data, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

/* One change, somewhere. */
static void change(struct buf *input, const struct buf *other, struct rand *rand)
{
    size_t at = (size_t)rand_below(rand, input->len + 1), n;

    switch (rand_below(rand, 6)) {
    case 0: /* flip a bit */
        if (at < input->len)
            input->data[at] ^= (uint8_t)(1u << rand_below(rand, 8));
        break;
    case 1: /* another byte */
        if (at < input->len)
            input->data[at] = (uint8_t)rand_next(rand);
        break;
    case 2: /* a byte that matters */
        if (at < input->len)
            input->data[at] = (uint8_t) "\0\1\2\x7F\x80\xFF+#/$"[rand_below(rand, 10)];
        break;
    case 3: /* cut the end off */ input->len = at; break;
    case 4: /* take some out */
        n = (size_t)rand_below(rand, 8);
        if (at + n <= input->len) {
            memmove(input->data + at, input->data + at + n, input->len - at - n);
            input->len -= n;
        }
        break;
    default: /* go on as another does */
        n = (size_t)rand_below(rand, other->len + 1);
        input->len = at;
        buf_append(input, other->data + n, other->len - n);
        break;
    }
}

/* Changes of changes, up to eight deep. */
static void try_changes(const struct buf *seeds, size_t count)
{
    struct buf input = { 0 };
    struct rand rand;

    rand_init(&rand, 1);
    for (int i = 0; i < CHANGES; i++) {
        const struct buf *seed = &seeds[rand_below(&rand, count)];
        buf_clear(&input);
        buf_append(&input, seed->data, seed->len);
        for (uint64_t n = 1 + rand_below(&rand, 8); n > 0; n--)
            change(&input, &seeds[rand_below(&rand, count)], &rand);
        if (input.len <= INPUT_MAX)
            try_copy(input.data, input.len);
    }
    buf_finish(&input);
}

int main(int argc, char **argv)
{
    static struct buf seeds[SEEDS_MAX];
    struct dirent **names;
    size_t count = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return EXIT_FAILURE;
    }
    int found = scandir(argv[1], &names, NULL, alphasort);
    for (int i = 0; i < found; i++) {
        if (names[i]->d_name[0] != '.' && count < SEEDS_MAX &&
            file_read(argv[1], names[i]->d_name, &seeds[count]))
            count++;
        free(names[i]);
    }
    if (found >= 0)
        free(names);
    if (count == 0) {
        fprintf(stderr, "%s: no seeds\n", argv[1]);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < count; i++)
        try_copy(seeds[i].data, seeds[i].len);
    try_changes(seeds, count);
    printf("%zu seeds, %d changes\n", count, CHANGES);
    for (size_t i = 0; i < count; i++)
        buf_finish(&seeds[i]);
    return EXIT_SUCCESS;
}
