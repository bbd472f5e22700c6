/*
 * certificates - see certificates.h
 */
#include "certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <cmocka.h>

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };

static FILE *open_file(const char *folder, const char *name, const char *ending, const char *mode)
{
    char path[200];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s.%s", folder, name, ending);
    file = fopen(path, mode);
    if (!file)
        fail_msg("cannot open %s", path);
    return file;
}

static void extend(X509 *x509, X509V3_CTX *context, int kind, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, kind, value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void fill(X509 *x509, const struct certificate *certificate, EVP_PKEY *key, X509 *issuer)
{
    static long serial = 1;
    bool timed = certificate->from_s != 0 || certificate->until_s != 0;
    X509V3_CTX context;

    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x509), timed ? certificate->from_s : -HOUR_S);
    X509_gmtime_adj(X509_getm_notAfter(x509), timed ? certificate->until_s : DAY_S);
    X509_set_pubkey(x509, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                               (const unsigned char *)certificate->name, -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(issuer ? issuer : x509));
    X509V3_set_ctx(&context, issuer ? issuer : x509, x509, NULL, NULL, 0);
    extend(x509, &context, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (certificate->names)
        extend(x509, &context, NID_subject_alt_name, certificate->names);
}

void certificate_make(const char *folder, const struct certificate *certificate)
{
    const char *passphrase = certificate->passphrase;
    EVP_PKEY *key = EVP_EC_gen("P-256"), *issuer_key = key;
    X509 *x509 = X509_new(), *issuer = NULL;
    FILE *file;

    assert_non_null(key);
    if (certificate->issuer) {
        file = open_file(folder, certificate->issuer, "crt", "r");
        assert_non_null(issuer = PEM_read_X509(file, NULL, NULL, NULL));
        fclose(file);
        file = open_file(folder, certificate->issuer, "key", "r");
        assert_non_null(issuer_key = PEM_read_PrivateKey(file, NULL, NULL, NULL));
        fclose(file);
    }
    fill(x509, certificate, key, issuer);
    assert_true(X509_sign(x509, issuer_key, EVP_sha256()) > 0);
    file = open_file(folder, certificate->name, "crt", "w");
    assert_int_equal(PEM_write_X509(file, x509), 1);
    assert_int_equal(fclose(file), 0);
    file = open_file(folder, certificate->name, "key", "w");
    assert_int_equal(PEM_write_PrivateKey(file, key, passphrase ? EVP_aes_128_cbc() : NULL,
                                          (const unsigned char *)passphrase,
                                          passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
                     1);
    assert_int_equal(fclose(file), 0);
    if (issuer_key != key)
        EVP_PKEY_free(issuer_key);
    EVP_PKEY_free(key);
    X509_free(issuer);
    X509_free(x509);
}
