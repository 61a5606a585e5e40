/* SPDX-License-Identifier: Apache-2.0 */
#include "certs.h"

#include "unit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DAY_S = 86400 };

const char *certs_path(struct certs *certs, const char *file, char out[CERTS_PATH_MAX])
{
    snprintf(out, CERTS_PATH_MAX, "%s/%s", certs->dir, file);
    return out;
}

/* A file beside its place, and then in it at once. */
static FILE *begin(struct certs *certs)
{
    char path[CERTS_PATH_MAX];
    FILE *file = fopen(certs_path(certs, "new", path), "we");

    ck_assert_ptr_nonnull(file);
    return file;
}

static void end(struct certs *certs, FILE *file, const char *name, const char *suffix)
{
    char from[CERTS_PATH_MAX], to[CERTS_PATH_MAX], whole[64];

    fclose(file);
    snprintf(whole, sizeof whole, "%s%s", name, suffix);
    ck_assert_int_eq(rename(certs_path(certs, "new", from), certs_path(certs, whole, to)), 0);
}

static void extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);

    ck_assert_ptr_nonnull(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *make(struct certs *certs, EVP_PKEY *key, const char *common_name)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++certs->serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), DAY_S);
    X509_set_pubkey(certificate, key);
    if (common_name)
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                   -1, -1, 0);
    X509_set_issuer_name(certificate, certs->ca ? X509_get_subject_name(certs->ca) : name);
    return certificate;
}

void certs_init(struct certs *certs)
{
    *certs = (struct certs){ .dir = "/tmp/plexus-certs-XXXXXX" };
    ck_assert_ptr_nonnull(mkdtemp(certs->dir));
    certs->ca_key = EVP_EC_gen("P-256");
    X509 *ca = make(certs, certs->ca_key, "Test Authority");

    extend(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
    extend(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign");
    X509_sign(ca, certs->ca_key, EVP_sha256());
    certs->ca = ca;
    FILE *file = begin(certs);

    PEM_write_X509(file, ca);
    end(certs, file, "ca", ".pem");
}

void certs_finish(struct certs *certs)
{
    char command[128];

    snprintf(command, sizeof command, "rm -r %s", certs->dir);
    ck_assert_int_eq(system(command), 0);
    X509_free(certs->ca);
    EVP_PKEY_free(certs->ca_key);
}

long certs_make(struct certs *certs, const char *file, const char *common_name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make(certs, key, common_name);
    char names[128];

    snprintf(names, sizeof names, "DNS:%s", common_name ? common_name : "nobody.test");
    extend(certificate, certs->ca, NID_subject_alt_name, names);
    X509_sign(certificate, certs->ca_key, EVP_sha256());
    FILE *out = begin(certs);

    PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    end(certs, out, file, ".key");
    out = begin(certs);
    PEM_write_X509(out, certificate);
    end(certs, out, file, ".pem");
    X509_free(certificate);
    EVP_PKEY_free(key);
    return certs->serial;
}

void certs_revoke(struct certs *certs, const long *serials, size_t count)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -DAY_S), *next = X509_gmtime_adj(NULL, DAY_S);

    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(certs->ca));
    X509_CRL_set1_lastUpdate(crl, now);
    X509_CRL_set1_nextUpdate(crl, next);
    for (size_t i = 0; i < count; i++) {
        X509_REVOKED *revoked = X509_REVOKED_new();
        ASN1_INTEGER *serial = ASN1_INTEGER_new();
        ASN1_INTEGER_set(serial, serials[i]);
        X509_REVOKED_set_serialNumber(revoked, serial);
        X509_REVOKED_set_revocationDate(revoked, now);
        X509_CRL_add0_revoked(crl, revoked);
        ASN1_INTEGER_free(serial);
    }
    X509_CRL_sort(crl);
    X509_CRL_sign(crl, certs->ca_key, EVP_sha256());
    FILE *file = begin(certs);

    PEM_write_X509_CRL(file, crl);
    end(certs, file, "crl", ".pem");
    X509_CRL_free(crl);
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
}
