/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/scram.h"

#include "auth/base64.h"
#include "base/err.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

/* ---- arithmetic ---- */

static bool hmac(const uint8_t key[SCRAM_KEY_LEN], struct str text, uint8_t out[SCRAM_KEY_LEN])
{
    unsigned len = SCRAM_KEY_LEN;

    return HMAC(EVP_sha256(), key, SCRAM_KEY_LEN, (const uint8_t *)text.ptr, text.len, out, &len);
}

static bool hash(const uint8_t key[SCRAM_KEY_LEN], uint8_t out[SCRAM_KEY_LEN])
{
    return EVP_Digest(key, SCRAM_KEY_LEN, out, NULL, EVP_sha256(), NULL);
}

int scram_secret_make(struct str password, struct str salt, uint32_t iterations,
                      struct scram_secret *ret_secret)
{
    struct scram_secret secret = { .salt_len = (uint8_t)salt.len, .iterations = iterations };
    uint8_t salted[SCRAM_KEY_LEN], client[SCRAM_KEY_LEN];

    assert(salt.len >= 1 && salt.len <= SCRAM_SALT_MAX && iterations >= SCRAM_ITERATIONS_MIN);
    memcpy(secret.salt, salt.ptr, salt.len);
    bool well =
        PKCS5_PBKDF2_HMAC(password.ptr ? password.ptr : "", (int)password.len, secret.salt,
                          (int)salt.len, (int)iterations, EVP_sha256(), SCRAM_KEY_LEN, salted) &&
        hmac(salted, STR("Client Key"), client) && hash(client, secret.stored_key) &&
        hmac(salted, STR("Server Key"), secret.server_key);
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(client, sizeof client);
    if (!well)
        return ERR_NOMEM;
    *ret_secret = secret;
    return ERR_OK;
}

bool scram_secret_fits(const struct scram_secret *secret, struct str password)
{
    struct str salt = { (const char *)secret->salt, secret->salt_len };
    struct scram_secret made;

    if (scram_secret_make(password, salt, secret->iterations, &made) != ERR_OK)
        return false;
    bool fits = CRYPTO_memcmp(made.stored_key, secret->stored_key, SCRAM_KEY_LEN) == 0;
    OPENSSL_cleanse(&made, sizeof made);
    return fits;
}

/* ---- messages ---- */

void scram_finish(struct scram *scram)
{
    buf_finish(&scram->first);
    buf_finish(&scram->challenge);
    OPENSSL_cleanse(&scram->secret, sizeof scram->secret);
}

/* The value of the next attribute, which must have this name; advances *rest behind its
 * comma. */
static bool attribute(struct str *rest, char name, struct str *ret_value)
{
    size_t end = str_find(*rest, ',', 0);

    if (rest->len < 2 || rest->ptr[0] != name || rest->ptr[1] != '=')
        return false;
    *ret_value = str_slice(*rest, 2, end);
    *rest = str_slice(*rest, end + 1, rest->len);
    return true;
}

/* A name as it stands in a message: , is =2C there and = is =3D. */
static bool unescape(struct scram *scram, struct str text)
{
    scram->name_len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '=') {
            struct str code = str_slice(text, i, i + 3);
            if (!str_equal(code, STR("=2C")) && !str_equal(code, STR("=3D")))
                return false;
            c = code.ptr[1] == '2' ? ',' : '=';
            i += 2;
        }
        if (scram->name_len == SCRAM_NAME_MAX)
            return false;
        scram->name[scram->name_len++] = c;
    }
    return scram->name_len > 0;
}

static bool is_nonce(struct str nonce)
{
    for (size_t i = 0; i < nonce.len; i++) {
        if (nonce.ptr[i] < 0x21 || nonce.ptr[i] > 0x7E || nonce.ptr[i] == ',')
            return false;
    }
    return nonce.len > 0 && nonce.len <= SCRAM_NONCE_MAX;
}

int scram_first(struct scram *scram, struct str message)
{
    struct str rest = str_slice(message, 3, message.len), name, nonce;

    if (message.len > SCRAM_FIRST_MAX)
        return ERR_MALFORMED;
    /* y: it could bind to a channel but thinks that we can't, and is right. */
    if (!str_starts_with(message, STR("n,,")) && !str_starts_with(message, STR("y,,")))
        return ERR_MALFORMED;
    scram->gs2_len = 3;
    if (!attribute(&rest, 'n', &name) || !attribute(&rest, 'r', &nonce) || !is_nonce(nonce) ||
        !unescape(scram, name))
        return ERR_MALFORMED; /* m=, which must be understood, fails here too */
    buf_append_str(&scram->first, message);
    /* The challenge begins with it. */
    buf_append_str(&scram->challenge, STR("r="));
    buf_append_str(&scram->challenge, nonce);
    return scram->first.failed || scram->challenge.failed ? ERR_NOMEM : ERR_OK;
}

int scram_challenge(struct scram *scram, const struct scram_secret *secret, bool known,
                    struct str nonce, struct str *ret_message)
{
    struct buf *challenge = &scram->challenge;

    assert(is_nonce(nonce) && challenge->len > 2);
    scram->secret = *secret;
    scram->unknown = !known;
    buf_append_str(challenge, nonce);
    scram->nonce_len = challenge->len - 2;
    buf_append_str(challenge, STR(",s="));
    base64_append(challenge, scram->secret.salt, scram->secret.salt_len);
    buf_printf(challenge, ",i=%u", scram->secret.iterations);
    if (challenge->failed)
        return ERR_NOMEM;
    *ret_message = buf_str(challenge);
    return ERR_OK;
}

/* Does the proof show that the client has the key whose hash we keep? RFC 5802, 3. */
static bool proves(const struct scram *scram, struct str auth_message,
                   const uint8_t proof[SCRAM_KEY_LEN])
{
    uint8_t key[SCRAM_KEY_LEN], hashed[SCRAM_KEY_LEN];

    if (!hmac(scram->secret.stored_key, auth_message, key))
        return false;
    for (size_t i = 0; i < SCRAM_KEY_LEN; i++)
        key[i] ^= proof[i];
    return hash(key, hashed) &&
           CRYPTO_memcmp(hashed, scram->secret.stored_key, SCRAM_KEY_LEN) == 0 && !scram->unknown;
}

int scram_final(const struct scram *scram, struct str message, struct buf *out)
{
    struct str rest = message, binding, nonce, proof_text;
    uint8_t proof[SCRAM_KEY_LEN], signature[SCRAM_KEY_LEN];
    struct buf whole = { 0 };
    size_t proof_len;
    int err = ERR_DENIED;

    assert(scram->nonce_len > 0);
    if (!attribute(&rest, 'c', &binding) || !attribute(&rest, 'r', &nonce))
        return ERR_MALFORMED;
    size_t without_proof = message.len - rest.len - (rest.len > 0);
    if (!attribute(&rest, 'p', &proof_text) || rest.len ||
        !base64_decode(proof_text, proof, sizeof proof, &proof_len) || proof_len != SCRAM_KEY_LEN)
        return ERR_MALFORMED;
    struct str both = { (const char *)scram->challenge.data + 2, scram->nonce_len };
    if (!str_equal(nonce, both) ||
        !str_equal(binding, scram->first.data[0] == 'n' ? STR("biws") : STR("eSws")))
        return ERR_DENIED;
    buf_append_str(&whole, str_slice(buf_str(&scram->first), scram->gs2_len, scram->first.len));
    buf_append_u8(&whole, ',');
    buf_append_str(&whole, buf_str(&scram->challenge));
    buf_append_u8(&whole, ',');
    buf_append_str(&whole, str_slice(message, 0, without_proof));
    if (whole.failed) {
        err = ERR_NOMEM;
    } else if (proves(scram, buf_str(&whole), proof)) {
        err = hmac(scram->secret.server_key, buf_str(&whole), signature) ? ERR_OK : ERR_NOMEM;
    }
    buf_finish(&whole);
    if (err)
        return err;
    buf_append_str(out, STR("v="));
    base64_append(out, signature, sizeof signature);
    return out->failed ? ERR_NOMEM : ERR_OK;
}
