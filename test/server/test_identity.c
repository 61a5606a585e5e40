/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "server/identity.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const uint64_t EPOCH_MS = 1704067200000;

struct place {
    char root[32], dir[64];
};

static void make_place(struct place *place)
{
    strcpy(place->root, "/tmp/plexus-id-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(place->root));
    snprintf(place->dir, sizeof place->dir, "%s/data", place->root);
}

static void remove_place(const struct place *place)
{
    static const char *const names[] = { "node.json", "node.json.new", "lock" };
    char path[128];

    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", place->dir, names[i]);
        unlink(path);
    }
    rmdir(place->dir);
    rmdir(place->root);
}

static void write_node_file(const struct place *place, const char *text)
{
    char path[128];

    snprintf(path, sizeof path, "%s/node.json", place->dir);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(an_identity_stays_and_its_incarnation_grows)
{
    struct place place;
    struct identity first, second, third;
    struct buf errors = { 0 };

    make_place(&place);
    ck_assert_int_eq(identity_open(&first, place.dir, EPOCH_MS + 5000, &errors), ERR_OK);
    ck_assert_uint_eq(first.inc, 5);
    ck_assert_int_eq(identity_persist(&first, 9), ERR_OK);
    identity_close(&first);
    ck_assert_int_eq(identity_open(&second, place.dir, EPOCH_MS, &errors), ERR_OK);
    ck_assert_uint_eq(second.inc, 10);
    ck_assert_mem_eq(&first.id, &second.id, sizeof first.id);
    ck_assert_uint_ne(first.boot, second.boot);
    identity_close(&second);
    ck_assert_int_eq(identity_open(&third, place.dir, EPOCH_MS + 77000, &errors), ERR_OK);
    ck_assert_uint_eq(third.inc, 77);
    identity_close(&third);
    ck_assert_uint_eq(errors.len, 0);
    remove_place(&place);
}
END_TEST

START_TEST(without_a_directory_each_start_is_a_new_broker)
{
    struct identity a, b;
    struct buf errors = { 0 };

    ck_assert_int_eq(identity_open(&a, NULL, EPOCH_MS + 1000, &errors), ERR_OK);
    ck_assert_int_eq(identity_open(&b, "", EPOCH_MS + 1000, &errors), ERR_OK);
    ck_assert_mem_ne(&a.id, &b.id, sizeof a.id);
    ck_assert_int_eq(identity_persist(&a, 3), ERR_OK);
    ck_assert_uint_eq(a.inc, 3);
    identity_close(&a);
    identity_close(&b);
}
END_TEST

START_TEST(two_brokers_cannot_share_a_directory)
{
    struct place place;
    struct identity first, second;
    struct buf errors = { 0 };

    make_place(&place);
    ck_assert_int_eq(identity_open(&first, place.dir, EPOCH_MS, &errors), ERR_OK);
    ck_assert_int_eq(identity_open(&second, place.dir, EPOCH_MS, &errors), ERR_EXISTS);
    buf_append_u8(&errors, 0);
    ck_assert_ptr_nonnull(strstr((char *)errors.data, "in use by another broker\n"));
    identity_close(&second);
    identity_close(&first);
    buf_finish(&errors);
    remove_place(&place);
}
END_TEST

START_TEST(a_damaged_file_is_never_replaced_by_a_new_identity)
{
    static const char *const damaged[] = { "", "{}", "{\"id\": \"00\", \"incarnation\": 1}",
                                           "{\"id\": \"0123456789abcdef0123456789abcdef\", "
                                           "\"incarnation\": -1}" };
    struct place place;
    struct identity identity;
    struct buf errors = { 0 };

    make_place(&place);
    ck_assert_int_eq(identity_open(&identity, place.dir, EPOCH_MS, &errors), ERR_OK);
    identity_close(&identity);
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        write_node_file(&place, damaged[i]);
        ck_assert_int_eq(identity_open(&identity, place.dir, EPOCH_MS, &errors), ERR_INVALID);
        identity_close(&identity);
    }
    write_node_file(&place, "{\"id\": \"0123456789abcdef0123456789abcdef\", \"incarnation\": 4}");
    ck_assert_int_eq(identity_open(&identity, place.dir, EPOCH_MS, &errors), ERR_OK);
    ck_assert_uint_eq(identity.id.bytes[15], 0xef);
    ck_assert_uint_eq(identity.inc, 5);
    identity_close(&identity);
    buf_finish(&errors);
    remove_place(&place);
}
END_TEST

START_TEST(a_directory_that_cannot_be_made_is_one_clear_line)
{
    struct identity identity;
    struct buf errors = { 0 };

    ck_assert_int_eq(identity_open(&identity, "/nonexistent/a/b", EPOCH_MS, &errors), ERR_IO);
    buf_append_u8(&errors, 0);
    ck_assert_str_eq((char *)errors.data,
                     "/nonexistent/a/b: cannot be made: No such file or directory\n");
    identity_close(&identity);
    buf_finish(&errors);
}
END_TEST

UNIT_MAIN("server/identity", an_identity_stays_and_its_incarnation_grows,
          without_a_directory_each_start_is_a_new_broker, two_brokers_cannot_share_a_directory,
          a_damaged_file_is_never_replaced_by_a_new_identity,
          a_directory_that_cannot_be_made_is_one_clear_line)
