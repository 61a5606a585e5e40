/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "auth/base64.h"

#include <string.h>

/* RFC 4648, section 10. */
static const char *const vectors[][2] = {
    { "", "" },
    { "f", "Zg==" },
    { "fo", "Zm8=" },
    { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy" },
};

START_TEST(it_is_written_and_read_as_rfc_4648_says)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct buf text = { 0 };
        uint8_t bytes[8];
        size_t len = 99;
        base64_append(&text, (const uint8_t *)vectors[i][0], strlen(vectors[i][0]));
        ck_assert(str_equal(buf_str(&text), str_from_c(vectors[i][1])));
        ck_assert(base64_decode(str_from_c(vectors[i][1]), bytes, sizeof bytes, &len));
        ck_assert_uint_eq(len, strlen(vectors[i][0]));
        ck_assert_mem_eq(bytes, vectors[i][0], len);
        buf_finish(&text);
    }
}
END_TEST

START_TEST(what_is_not_exactly_that_is_refused)
{
    static const char *const wrong[] = { "Z",    "Zg",       "Zg=",   "Zg===",    "====",
                                         "Z===", "Zm=v",     "Zm9 ",  " Zm9vYg=", "Zm9v\n",
                                         "Zm9-", "Zg==Zg==", "Zm9vYm" };
    uint8_t bytes[8];
    size_t len;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(!base64_decode(str_from_c(wrong[i]), bytes, sizeof bytes, &len), "%s",
                      wrong[i]);
    ck_assert(!base64_decode(STR("Zm9vYmFy"), bytes, 5, &len)); /* no room */
}
END_TEST

UNIT_MAIN("auth/base64", it_is_written_and_read_as_rfc_4648_says,
          what_is_not_exactly_that_is_refused)
