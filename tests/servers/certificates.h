/*
 * certificates - keys and certificates of the test's own
 */
#ifndef DIST_TEST_CERTIFICATES_H
#define DIST_TEST_CERTIFICATES_H

/* What is written: FOLDER/NAME.crt and FOLDER/NAME.key (PEM). */
struct certificate {
    const char *name;
    const char *issuer;     /* the name of the one that signs; NULL: itself, an authority */
    const char *names;      /* subjectAltName: "DNS:localhost,IP:127.0.0.1"; NULL: none */
    long from_s, until_s;   /* its time, from now; both 0: from an hour ago to a day ahead */
    const char *passphrase; /* of the key; NULL: none */
};
void certificate_make(const char *folder, const struct certificate *certificate);

#endif
