/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "auth/users.h"
#include "base/err.h"
#include "sample.h"

#include <string.h>

/* What is wrong with the text, owned. */
static struct buf complaints(const char *text)
{
    struct users *users = NULL;
    struct buf errors = { 0 };

    ck_assert_int_eq(users_parse(str_from_c(text), "f", &users, &errors), ERR_INVALID);
    ck_assert_ptr_null(users);
    return errors;
}

static struct users *parsed(const char *text)
{
    struct users *users = NULL;
    struct buf errors = { 0 };

    ck_assert_int_eq(users_parse(str_from_c(text), "f", &users, &errors), ERR_OK);
    ck_assert_uint_eq(errors.len, 0);
    return users;
}

START_TEST(a_record_verifies_the_password_it_was_made_of)
{
    struct users *users = parsed("# people\n\n" USER_LINE "a b:" PENCIL_RECORD "\r\n"
                                 "last:" PENCIL_RECORD);
    const struct scram_secret *secret = users_find(users, STR("user"));

    ck_assert_uint_eq(users_count(users), 3);
    ck_assert_ptr_nonnull(users_find(users, STR("a b")));
    ck_assert_ptr_nonnull(users_find(users, STR("last")));
    ck_assert_ptr_null(users_find(users, STR("use")));
    ck_assert_ptr_null(users_find(users, STR("# people")));
    ck_assert_ptr_nonnull(secret);
    ck_assert(scram_secret_fits(secret, STR("pencil")));
    ck_assert(!scram_secret_fits(secret, STR("Pencil")));
    users_free(users);
}
END_TEST

START_TEST(a_line_is_written_as_it_is_read)
{
    struct users *users = parsed(USER_LINE);
    struct buf line = { 0 };

    user_line_append(&line, STR("user"), users_find(users, STR("user")));
    ck_assert(str_equal(buf_str(&line), STR(USER_LINE)));
    buf_finish(&line);
    users_free(users);
}
END_TEST

START_TEST(a_change_leaves_everything_else_as_it_was)
{
    static const struct {
        const char *before, *name;
        bool gone, found;
        const char *after;
    } cases[] = {
        { "", "user", false, false, USER_LINE },
        { "# people\n\nx", "user", false, false, "# people\n\nx\n" USER_LINE },
        { "a:1\nuser:2\n#b\n", "user", false, true, "a:1\n" USER_LINE "#b\n" },
        { "a:1\nuser:2\n#b\nuser:3", "user", false, true, "a:1\n" USER_LINE "#b\n" },
        { "a:1\nuser:2\nb", "user", true, true, "a:1\nb\n" },
        { "use:1\nusers:2\n#user:3\nuser\n", "user", true, false,
          "use:1\nusers:2\n#user:3\nuser\n" },
        { "user", "user", true, false, "user\n" },
    };
    struct users *users = parsed(USER_LINE);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = { 0 };
        const struct scram_secret *secret = cases[i].gone ? NULL : users_find(users, STR("user"));
        bool found =
            users_text_change(str_from_c(cases[i].before), str_from_c(cases[i].name), secret, &out);
        ck_assert_msg(found == cases[i].found, "%s", cases[i].before);
        ck_assert_msg(str_equal(buf_str(&out), str_from_c(cases[i].after)), "%s: %.*s",
                      cases[i].before, STR_ARG(buf_str(&out)));
        buf_finish(&out);
    }
    users_free(users);
}
END_TEST

START_TEST(every_bad_line_is_named)
{
    struct buf errors = complaints(USER_LINE "x\n"
                                             ":" PENCIL_RECORD "\n"
                                             "x:$6$abc\n"
                                             "x:SCRAM-SHA-256$4095:W22Z$x:y\n"
                                             "x:SCRAM-SHA-256$10000001:W22Z$x:y\n"
                                             "x:SCRAM-SHA-256$4096:W22$x:y\n"
                                             "x:SCRAM-SHA-256$4096:$x:y\n"
                                             "x:SCRAM-SHA-256$4096:W22Z$W22Z:W22Z\n" USER_LINE
                                             "x:" PENCIL_RECORD "=\n"
                                             "\x01:" PENCIL_RECORD "\n");
    static const char *const starts[] = {
        "f:2: no colon",
        "f:3: the user's name is empty",
        "f:4: what stands behind the name is not SCRAM-SHA-256$",
        "f:5: iterations are not",
        "f:6: iterations are not",
        "f:7: the salt is not",
        "f:8: the salt is not",
        "f:9: the keys are not",
        "f:11: the keys are not",
        "f:12: the user's name",
        "f:10: the user of line 1 again\n",
    };
    struct str text = buf_str(&errors);
    size_t at = 0;

    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        size_t end = str_find(text, '\n', at);
        ck_assert_msg(str_starts_with(str_slice(text, at, end + 1), str_from_c(starts[i])),
                      "%s: %.*s", starts[i], STR_ARG(str_slice(text, at, end)));
        at = end + 1;
    }
    ck_assert_uint_eq(at, text.len);
    buf_finish(&errors);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_said)
{
    struct users *users;
    struct buf errors = { 0 };

    ck_assert_int_eq(users_load("/nowhere/users", &users, &errors), ERR_IO);
    ck_assert(str_starts_with(buf_str(&errors), STR("/nowhere/users: cannot be read: ")));
    buf_finish(&errors);
}
END_TEST

START_TEST(nobody_looks_like_somebody)
{
    struct users *users = parsed(USER_LINE), *again = parsed(USER_LINE "b:" PENCIL_RECORD "\n");
    const struct scram_secret *real = users_find(users, STR("user"));
    struct scram_secret one, same, other;

    users_pretend(users, STR("ghost"), &one);
    users_pretend(again, STR("ghost"), &same); /* another process, one more user */
    users_pretend(users, STR("ghosT"), &other);
    ck_assert_uint_eq(one.salt_len, real->salt_len);
    ck_assert_uint_eq(one.iterations, real->iterations);
    ck_assert_mem_eq(one.salt, same.salt, one.salt_len);
    ck_assert_mem_ne(one.salt, other.salt, one.salt_len);
    ck_assert_mem_ne(one.salt, real->salt, one.salt_len);
    users_pretend(NULL, (struct str){ NULL, 0 }, &one);
    ck_assert_uint_eq(one.iterations, SCRAM_ITERATIONS_MIN);
    users_free(users);
    users_free(again);
}
END_TEST

UNIT_MAIN("auth/users", a_record_verifies_the_password_it_was_made_of,
          a_line_is_written_as_it_is_read, a_change_leaves_everything_else_as_it_was,
          every_bad_line_is_named, a_file_that_is_not_there_is_said, nobody_looks_like_somebody)
