/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "auth/scram.h"
#include "base/err.h"

#include <openssl/evp.h>
#include <string.h>

/* The exchange of RFC 7677, section 3. */
#define CLIENT_FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define NONCE        "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define CHALLENGE    "r=rOprNGfwEbeRWgbNEkqO" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define CLIENT_FINAL                                                                               \
    "c=biws,r=rOprNGfwEbeRWgbNEkqO" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define SERVER_FINAL "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static struct scram_secret pencil(void)
{
    struct scram_secret secret;
    uint8_t salt[20];

    int len = EVP_DecodeBlock(salt, (const uint8_t *)"W22ZaJ0SNY7soEsUEjb6gQ==", 24) - 2;
    ck_assert_int_eq(
        scram_secret_make(STR("pencil"), (struct str){ (char *)salt, (size_t)len }, 4096, &secret),
        ERR_OK);
    return secret;
}

/* As far as the challenge. */
static struct scram begun(const char *first, const struct scram_secret *secret, bool known)
{
    struct scram scram = { 0 };
    struct str challenge;

    ck_assert_int_eq(scram_first(&scram, str_from_c(first)), ERR_OK);
    ck_assert_int_eq(scram_challenge(&scram, secret, known, STR(NONCE), &challenge), ERR_OK);
    return scram;
}

START_TEST(the_exchange_of_rfc_7677_goes_as_written_there)
{
    struct scram_secret secret = pencil();
    struct scram scram = begun(CLIENT_FIRST, &secret, true);
    struct buf out = { 0 };

    ck_assert(str_equal(scram_name(&scram), STR("user")));
    ck_assert(str_equal(buf_str(&scram.challenge), STR(CHALLENGE)));
    ck_assert_int_eq(scram_final(&scram, STR(CLIENT_FINAL), &out), ERR_OK);
    ck_assert(str_equal(buf_str(&out), STR(SERVER_FINAL)));
    buf_finish(&out);
    scram_finish(&scram);
}
END_TEST

START_TEST(another_password_nonce_or_binding_is_denied)
{
    static const char *const finals[] = {
        "c=biws,r=rOprNGfwEbeRWgbNEkqO" NONCE ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "c=biws,r=rOprNGfwEbeRWgbNEkqP" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "c=eSws,r=rOprNGfwEbeRWgbNEkqO" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    };
    struct scram_secret secret = pencil();
    struct scram scram = begun(CLIENT_FIRST, &secret, true);
    struct buf out = { 0 };

    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(scram_final(&scram, str_from_c(finals[i]), &out), ERR_DENIED);
    ck_assert_uint_eq(out.len, 0);
    scram_finish(&scram);
}
END_TEST

START_TEST(what_is_no_scram_is_malformed)
{
    static const char *const firsts[] = {
        "",
        "n",
        "n,,",
        "p=tls-unique,,n=user,r=x",
        "n,a=other,n=user,r=x",
        "n,,n=,r=x",
        "n,,n=user,r=",
        "n,,m=x,n=user,r=y",
        "n,,n=us=er,r=x",
        "n,,n=user,r=a b",
        "n,,r=x,n=user",
    };
    static const char *const finals[] = {
        "",
        "c=biws",
        "c=biws,r=x",
        "c=biws,r=x,p=",
        "c=biws,r=x,p=AAAA",
        "r=x,c=biws,p=AAAA",
        CLIENT_FINAL ",x=y",
        "c=biws,r=x,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
        "c=biws,r=x,p=!!!!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    };
    struct scram_secret secret = pencil();
    struct scram scram = begun(CLIENT_FIRST, &secret, true);
    struct buf out = { 0 };

    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        struct scram other = { 0 };
        ck_assert_msg(scram_first(&other, str_from_c(firsts[i])) == ERR_MALFORMED, "%s", firsts[i]);
        scram_finish(&other);
    }
    for (size_t i = 0; i < sizeof finals / sizeof finals[0]; i++)
        ck_assert_msg(scram_final(&scram, str_from_c(finals[i]), &out) == ERR_MALFORMED, "%s",
                      finals[i]);
    scram_finish(&scram);
}
END_TEST

START_TEST(names_may_hold_commas_and_equal_signs)
{
    struct scram scram = { 0 };

    ck_assert_int_eq(scram_first(&scram, STR("n,,n=a=2Cb=3Dc,r=x")), ERR_OK);
    ck_assert(str_equal(scram_name(&scram), STR("a,b=c")));
    scram_finish(&scram);
}
END_TEST

START_TEST(who_does_not_exist_is_denied_even_with_the_right_proof)
{
    struct scram_secret secret = pencil();
    struct scram scram = begun(CLIENT_FIRST, &secret, false);
    struct buf out = { 0 };

    ck_assert(str_equal(buf_str(&scram.challenge), STR(CHALLENGE)));
    ck_assert_int_eq(scram_final(&scram, STR(CLIENT_FINAL), &out), ERR_DENIED);
    scram_finish(&scram);
}
END_TEST

START_TEST(a_password_is_verified_by_its_secret)
{
    struct scram_secret secret = pencil();

    ck_assert(scram_secret_fits(&secret, STR("pencil")));
    ck_assert(!scram_secret_fits(&secret, STR("pencil ")));
    ck_assert(!scram_secret_fits(&secret, (struct str){ NULL, 0 }));
}
END_TEST

START_TEST(a_first_message_that_would_cost_memory_is_malformed)
{
    struct scram scram = { 0 };
    char text[SCRAM_FIRST_MAX + 2] = "n,,n=user,r=x,";

    memset(text + strlen(text), 'e', sizeof text - strlen(text) - 1);
    ck_assert_int_eq(scram_first(&scram, str_from_c(text)), ERR_MALFORMED);
    text[SCRAM_FIRST_MAX] = 0;
    ck_assert_int_eq(scram_first(&scram, str_from_c(text)), ERR_OK);
    scram_finish(&scram);
}
END_TEST

UNIT_MAIN("auth/scram", the_exchange_of_rfc_7677_goes_as_written_there,
          another_password_nonce_or_binding_is_denied, what_is_no_scram_is_malformed,
          names_may_hold_commas_and_equal_signs,
          who_does_not_exist_is_denied_even_with_the_right_proof,
          a_password_is_verified_by_its_secret, a_first_message_that_would_cost_memory_is_malformed)
