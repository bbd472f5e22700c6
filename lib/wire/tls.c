/*
 * tls - see tls.h
 *
 * The connection runs over two memory BIOs, which are never full. OpenSSL's errors are a queue per thread:
 * it is emptied before every call, or one call would report what another has left.
 */
#include "tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include "address.h"
#include "text.h"
#include "xalloc.h"

enum { ALERT_MAX = 255 };

struct tls {
    SSL *ssl;
    BIO *in, *out; /* the connection's */
    bool ready;    /* the handshake is done */
};

void tls_outlive_exit(void)
{
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}

/* What went wrong, as OpenSSL says it. */
static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_error());

    return text ? text : "unknown error";
}

static int bad_file(const char *what, const char *path, struct fault *fault)
{
    unsigned long code = ERR_peek_error();

    /* The first error of a missing file is the system's. */
    return fault_set(fault, FAULT_CONFIG, "TLS: %s %s: %s", what, path,
                     ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : reason());
}

/* A key with a passphrase is refused: OpenSSL would ask the terminal for it. */
/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's type */
static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static int load_files(SSL_CTX *context, const struct tls_config *config, struct fault *fault)
{
    const char *key_file = config->key_file ? config->key_file : config->cert_file;

    if (config->ca_file ? SSL_CTX_load_verify_file(context, config->ca_file) != 1
                        : SSL_CTX_set_default_verify_paths(context) != 1)
        return bad_file("the authorities in", config->ca_file ? config->ca_file : "the system", fault);
    if (!config->cert_file)
        return 0;
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, config->cert_file) != 1)
        return bad_file("the certificate in", config->cert_file, fault);
    if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return bad_file("the key in", key_file, fault);
    return 0;
}

static int name_peer(SSL *ssl, const char *host)
{
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (address_is_numeric(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

struct tls *tls_new(const struct tls_config *config, const char *host, struct fault *fault)
{
    struct tls *tls = NULL;
    SSL_CTX *context;

    ERR_clear_error();
    context = SSL_CTX_new(TLS_client_method());
    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        fault_set(fault, FAULT_SYSTEM, "TLS: %s", reason());
        goto out;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (load_files(context, config, fault))
        goto out;
    tls = xcalloc(1, sizeof *tls);
    tls->ssl = SSL_new(context);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (!tls->ssl || !tls->in || !tls->out || name_peer(tls->ssl, host) != 1) {
        fault_set(fault, FAULT_SYSTEM, "TLS: %s", reason());
        BIO_free(tls->in);
        BIO_free(tls->out);
        SSL_free(tls->ssl);
        free(tls);
        tls = NULL;
        goto out;
    }
    BIO_set_mem_eof_return(tls->in, -1); /* empty is not the end */
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    SSL_set_connect_state(tls->ssl);
out:
    SSL_CTX_free(context);
    return tls;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl); /* with both BIOs */
    free(tls);
}

void tls_put(struct tls *tls, const void *data, size_t size)
{
    size_t taken;

    if (size > 0 && BIO_write_ex(tls->in, data, size, &taken) != 1)
        abort(); /* out of memory */
}

size_t tls_take(struct tls *tls, void *out, size_t size)
{
    size_t taken = 0;

    ERR_clear_error();
    return BIO_read_ex(tls->out, out, size, &taken) == 1 ? taken : 0;
}

/* What the peer's alert is about (RFC 8446, section 6.2) somebody must mend: certificates, versions, names.
 */
static bool alert_is_lasting(int alert)
{
    return (alert >= SSL_AD_HANDSHAKE_FAILURE && alert <= SSL_AD_ACCESS_DENIED) ||
           alert == SSL_AD_PROTOCOL_VERSION || alert == SSL_AD_INSUFFICIENT_SECURITY ||
           alert >= SSL_AD_MISSING_EXTENSION;
}

/* The fault of a call that returned `result`; 0 where it only wants more bytes. */
static int failed(struct tls *tls, int result, struct fault *fault)
{
    long verified = SSL_get_verify_result(tls->ssl);
    int error = SSL_get_error(tls->ssl, result);
    unsigned long code = ERR_peek_error();
    int alert;
    bool lasting;

    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return 0;
    if (error == SSL_ERROR_ZERO_RETURN)
        return fault_set(fault, FAULT_UNAVAILABLE, "the server closed the connection");
    if (!tls->ready && verified != X509_V_OK)
        return fault_set(fault, FAULT_CONFIG, "TLS: the server's certificate is refused: %s",
                         X509_verify_cert_error_string(verified));
    if (error == SSL_ERROR_SSL && ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER)
        return fault_set(fault, FAULT_CONFIG, "TLS: the server does not speak TLS here");
    if (error != SSL_ERROR_SSL)
        return fault_set(fault, FAULT_UNAVAILABLE, "TLS: %s", reason());
    /* With TLS 1.3 a client learns behind its handshake that it should have shown a certificate. */
    alert = ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET;
    lasting = alert >= 0 && alert <= ALERT_MAX ? alert_is_lasting(alert) : !tls->ready;
    return fault_set(fault, lasting ? FAULT_CONFIG : FAULT_UNAVAILABLE, "TLS: %s", reason());
}

int tls_handshake(struct tls *tls, struct fault *fault)
{
    int result;

    ERR_clear_error();
    result = SSL_do_handshake(tls->ssl);
    if (result != 1)
        return failed(tls, result, fault);
    tls->ready = true;
    return 1;
}

ssize_t tls_read(struct tls *tls, void *out, size_t size, struct fault *fault)
{
    int result;

    ERR_clear_error();
    result = SSL_read(tls->ssl, out, size > INT_MAX ? INT_MAX : (int)size);
    return result > 0 ? result : failed(tls, result, fault);
}

int tls_write(struct tls *tls, const void *data, size_t size, struct fault *fault)
{
    size_t taken = 0;

    if (size == 0)
        return 0;
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, data, size, &taken) == 1)
        return 0;
    if (failed(tls, 0, fault) == 0)
        fault_set(fault, FAULT_UNAVAILABLE, "TLS: the connection takes no bytes");
    return -1;
}

void tls_end(struct tls *tls)
{
    ERR_clear_error();
    if (tls->ready)
        (void)SSL_shutdown(tls->ssl);
}
