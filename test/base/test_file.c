/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/err.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory of the test's own, removed with remove_all. */
static char directory[64], path[128], linked[128];

static void make_all(void)
{
    snprintf(directory, sizeof directory, "/tmp/plexus-file-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/file", directory);
    snprintf(linked, sizeof linked, "%s/link", directory);
}

static void remove_all(void)
{
    unlink(linked);
    unlink(path);
    ck_assert_int_eq(rmdir(directory), 0); /* nothing else is left */
}

static unsigned mode_of(const char *name)
{
    struct stat status;

    ck_assert_int_eq(lstat(name, &status), 0);
    return status.st_mode & 07777;
}

static void expect_content(const char *name, const char *content)
{
    struct buf text = { 0 };

    ck_assert_int_eq(file_read(name, 1000, &text), ERR_OK);
    ck_assert(str_equal(buf_str(&text), str_from_c(content)));
    buf_finish(&text);
}

START_TEST(a_file_is_made_and_replaced_whole)
{
    make_all();
    ck_assert_int_eq(file_replace(path, STR("one\n"), 0600), ERR_OK);
    ck_assert_uint_eq(mode_of(path), 0600);
    expect_content(path, "one\n");
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_int_eq(file_replace(path, STR("two\n"), 0600), ERR_OK);
    ck_assert_uint_eq(mode_of(path), 0640);
    expect_content(path, "two\n");
    remove_all();
}
END_TEST

START_TEST(what_a_link_points_to_is_replaced)
{
    make_all();
    ck_assert_int_eq(file_replace(path, STR("one"), 0600), ERR_OK);
    ck_assert_int_eq(symlink("file", linked), 0);
    ck_assert_int_eq(file_replace(linked, STR("two"), 0600), ERR_OK);
    expect_content(path, "two");
    ck_assert(readlink(linked, (char[8]){ 0 }, 8) == 4);
    remove_all();
}
END_TEST

START_TEST(what_cannot_be_read_or_written_is_an_error)
{
    struct buf text = { 0 };

    make_all();
    ck_assert_int_eq(file_read(path, 10, &text), ERR_IO);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(file_replace("/nowhere/file", STR(""), 0600), ERR_IO);
    ck_assert_int_eq(file_replace(path, STR("eleven....."), 0600), ERR_OK);
    ck_assert_int_eq(file_read(path, 10, &text), ERR_TOO_LARGE);
    ck_assert_int_eq(file_read(directory, 10, &text), ERR_IO);
    buf_finish(&text);
    remove_all();
}
END_TEST

UNIT_MAIN("base/file", a_file_is_made_and_replaced_whole, what_a_link_points_to_is_replaced,
          what_cannot_be_read_or_written_is_an_error)
