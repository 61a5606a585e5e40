/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for tests, made on the spot: an authority in a directory of its own, what
 * it signs, and what it takes back. */
#pragma once

#include <stddef.h>

enum { CERTS_PATH_MAX = 128 };

struct certs {
    char dir[64];
    void *ca_key, *ca; /* EVP_PKEY, X509 */
    long serial;
};

/* A new authority; ca.pem in its directory. */
void certs_init(struct certs *certs);

/* Remove the directory. */
void certs_finish(struct certs *certs);

/* Write NAME.pem and NAME.key, for the common name, also as DNS name; the serial number. */
long certs_make(struct certs *certs, const char *file, const char *common_name);

/* Write crl.pem, which takes back these serial numbers. */
void certs_revoke(struct certs *certs, const long *serials, size_t count);

/* The path of a file in the directory, in out. */
const char *certs_path(struct certs *certs, const char *file, char out[CERTS_PATH_MAX]);
