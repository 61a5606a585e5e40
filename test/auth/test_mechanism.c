/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "auth/base64.h"
#include "auth/mechanism.h"
#include "base/err.h"
#include "sample.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define FIRST "n=user,r=rOprNGfwEbeRWgbNEkqO"

struct fixture {
    const struct mechanism *mechanism;
    void *exchange;
    struct mechanism_world world;
    struct users *users;
    struct buf out;
};

static struct fixture begun(void)
{
    struct fixture f = { .mechanism = mechanism_find(STR("SCRAM-SHA-256")) };
    struct buf errors = { 0 };

    ck_assert_ptr_nonnull(f.mechanism);
    f.exchange = f.mechanism->begin();
    ck_assert_int_eq(users_parse(STR(USER_LINE), "f", &f.users, &errors), ERR_OK);
    f.world.users = f.users;
    memset(f.world.random, 7, sizeof f.world.random);
    return f;
}

static void finish(struct fixture *f)
{
    f->mechanism->end(f->exchange);
    users_free(f->users);
    buf_finish(&f->out);
}

static int step(struct fixture *f, struct str data)
{
    buf_clear(&f->out);
    return f->mechanism->step(f->exchange, &f->world, data, &f->out);
}

/* The client's final message, made here from RFC 5802, section 3, with the challenge as it
 * stands in out. */
static struct buf final_of(const struct fixture *f, const char *password)
{
    struct buf message = { 0 }, whole = { 0 };
    struct str challenge = buf_str(&f->out);
    size_t nonce_len = str_find(challenge, ',', 0);
    uint8_t salt[16], salted[32], client[32], stored[32], signature[32];
    size_t salt_len;

    ck_assert(base64_decode(STR("W22ZaJ0SNY7soEsUEjb6gQ=="), salt, sizeof salt, &salt_len));
    PKCS5_PBKDF2_HMAC(password, -1, salt, (int)salt_len, 4096, EVP_sha256(), 32, salted);
    HMAC(EVP_sha256(), salted, 32, (const uint8_t *)"Client Key", 10, client, NULL);
    EVP_Digest(client, 32, stored, NULL, EVP_sha256(), NULL);
    buf_printf(&message, "c=biws,%.*s", (int)nonce_len, challenge.ptr);
    buf_printf(&whole, FIRST ",%.*s,%.*s", STR_ARG(challenge), STR_ARG(buf_str(&message)));
    HMAC(EVP_sha256(), stored, 32, whole.data, whole.len, signature, NULL);
    for (size_t i = 0; i < 32; i++)
        client[i] ^= signature[i];
    buf_append_str(&message, STR(",p="));
    base64_append(&message, client, 32);
    buf_finish(&whole);
    return message;
}

static int go_through(struct fixture *f, const char *password)
{
    ck_assert_int_eq(step(f, STR("n,," FIRST)), ERR_MORE);
    struct buf message = final_of(f, password);
    int err = step(f, buf_str(&message));
    buf_finish(&message);
    return err;
}

START_TEST(who_knows_the_password_is_told_that_we_know_it_too)
{
    struct fixture f = begun();

    ck_assert_int_eq(go_through(&f, "pencil"), ERR_OK);
    ck_assert(str_starts_with(buf_str(&f.out), STR("v=")));
    ck_assert(str_equal(f.mechanism->user(f.exchange), STR("user")));
    ck_assert_int_eq(step(&f, STR("c=biws")), ERR_MALFORMED); /* it is over */
    finish(&f);
}
END_TEST

START_TEST(who_does_not_is_denied_and_has_one_try)
{
    struct fixture f = begun();

    ck_assert_int_eq(go_through(&f, "Pencil"), ERR_DENIED);
    ck_assert_uint_eq(f.out.len, 0);
    ck_assert_int_eq(step(&f, STR("c=biws")), ERR_MALFORMED);
    finish(&f);
}
END_TEST

START_TEST(who_begins_without_a_word_is_asked_once)
{
    struct fixture f = begun(), g = begun();

    ck_assert_int_eq(step(&f, STR("")), ERR_MORE);
    ck_assert_uint_eq(f.out.len, 0);
    ck_assert_int_eq(go_through(&f, "pencil"), ERR_OK);
    ck_assert_int_eq(step(&g, STR("")), ERR_MORE);
    ck_assert_int_eq(step(&g, STR("")), ERR_MALFORMED);
    finish(&f);
    finish(&g);
}
END_TEST

START_TEST(nobody_is_challenged_like_anybody)
{
    struct fixture f = begun();

    ck_assert_int_eq(step(&f, STR("n,,n=ghost,r=x")), ERR_MORE);
    struct str challenge = buf_str(&f.out);
    ck_assert(str_equal(str_slice(challenge, challenge.len - 7, challenge.len), STR(",i=4096")));
    struct buf message = final_of(&f, "pencil");
    ck_assert_int_eq(step(&f, buf_str(&message)), ERR_DENIED);
    buf_finish(&message);
    finish(&f);
}
END_TEST

START_TEST(what_is_not_in_the_table_is_not_known)
{
    ck_assert_ptr_null(mechanism_find(STR("SCRAM-SHA-1")));
    ck_assert_ptr_null(mechanism_find(STR("")));
}
END_TEST

UNIT_MAIN("auth/mechanism", who_knows_the_password_is_told_that_we_know_it_too,
          who_does_not_is_denied_and_has_one_try, who_begins_without_a_word_is_asked_once,
          nobody_is_challenged_like_anybody, what_is_not_in_the_table_is_not_known)
