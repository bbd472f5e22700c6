/*
 * tls - the client's side of one TLS connection, as a filter of bytes (OpenSSL)
 *
 * Knows no socket: what the peer sent is put in, what is to be sent to it is taken out, so that whoever owns
 * the socket has one way of waiting for plain and for encrypted connections. TLS 1.2 or later. The peer's
 * certificate must come from a known authority, be valid now and carry the host's name, or its address
 * where the host is an address (a subjectAltName, RFC 6125); a name is told to the peer (SNI).
 *
 * Never blocks but on the files, which are read by tls_new(): certificates that were renewed are taken with
 * the next connection. Faults are CONFIG where somebody must mend something (a file, a certificate, a peer
 * that does not speak TLS, a peer that wants a certificate), else UNAVAILABLE.
 */
#ifndef DIST_TLS_H
#define DIST_TLS_H

#include <stddef.h>
#include <sys/types.h>
#include "fault.h"

struct tls_config {
    const char *ca_file;   /* PEM: who may have signed the peer's certificate; NULL: those of the system */
    const char *cert_file; /* PEM: the certificate to show, with its chain; NULL: none */
    const char *key_file;  /* PEM, no passphrase: its key; NULL: in cert_file */
};

/*
 * The library stays as it is when the process ends: a thread that was left behind in it (crew.h) would crash,
 * and leave a core with secrets. Before anything else of the process uses it.
 */
void tls_outlive_exit(void);

struct tls;
/* `host`: the name or address that the certificate must carry. */
struct tls *tls_new(const struct tls_config *config, const char *host, struct fault *fault);
void tls_free(struct tls *tls); /* NULL is fine */

/* Bytes that the peer sent. */
void tls_put(struct tls *tls, const void *data, size_t size);
/* Bytes for the peer, at most `size`; 0: there are none now. Also after a fault: they tell the peer why. */
size_t tls_take(struct tls *tls, void *out, size_t size);

/* 1: done; 0: goes on when bytes were put in. Called before everything below. */
int tls_handshake(struct tls *tls, struct fault *fault);
/* Plain bytes that the peer sent; 0: none before more is put in; -1: fault, which the peer's end is too. */
ssize_t tls_read(struct tls *tls, void *out, size_t size, struct fault *fault);
/* Takes all of it; tls_take() has the bytes. */
int tls_write(struct tls *tls, const void *data, size_t size, struct fault *fault);
/* Says goodbye; tls_take() has the bytes. */
void tls_end(struct tls *tls);

#endif
