/* SPDX-License-Identifier: Apache-2.0 */
/* Directories that earlier versions wrote are read. */
#include "sample.h"
#include "unit.h"

#include "base/err.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* Copy the files of a directory. */
static void dir_copy(const char *from, const char *to)
{
    DIR *dir = opendir(from);
    struct dirent *entry;
    char path[1024];

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", from, entry->d_name);
        FILE *in = fopen(path, "rb");
        snprintf(path, sizeof path, "%s/%s", to, entry->d_name);
        FILE *out = fopen(path, "wb");
        ck_assert(in && out);
        for (int c; (c = getc(in)) != EOF;)
            putc(c, out);
        fclose(in);
        fclose(out);
    }
    closedir(dir);
}

START_TEST(version_1_is_read)
{
    char dir[64];
    struct rig rig;
    struct buf out = { 0 };

    rig_dir_make(dir);
    dir_copy(SAMPLES "/v1", dir);
    rig_init(&rig, &(struct store_config){ .dir = dir, .tables_bytes_max = 1 << 20 });
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_uint_eq(rig.report.len, 0);
    ck_assert_int_eq(rig_restore(&rig, &out, NULL), ERR_OK);
    ck_assert_str_eq((char *)out.data, sample_restored);
    ck_assert_str_eq(rig_load(&rig, 1, 0, 10), "10:1 shared 11:2 in the tables/q2/7 12:received "
                                               "13:4 in the journal/1/300");
    ck_assert_str_eq(rig_load(&rig, 2, 0, 10), "");
    rig_finish(&rig);
    buf_clear(&out);
    ck_assert_int_eq(store_check(dir, &out), ERR_OK);
    buf_finish(&out);
    rig_dir_remove(dir);
}
END_TEST

UNIT_MAIN("store/sample", version_1_is_read)
