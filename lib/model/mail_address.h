/*
 * mail_address - who sends or gets a mail
 *
 *   reports@example.com
 *   Daily Reports <reports@example.com>
 *   "Reports, daily" <reports@example.com>
 *
 * The address is what every mail server takes: ASCII, a dot-atom before the '@', a host's name behind it
 * (RFC 5322 3.4.1 without quoted names, literals and comments). The name is UTF-8.
 */
#ifndef DIST_MAIL_ADDRESS_H
#define DIST_MAIL_ADDRESS_H

#include "fault.h"

struct mail_address {
    char *name; /* NULL: none */
    char *address;
};

/* INPUT, with what is wrong and without the text. Nothing is kept after a fault. */
int mail_address_parse(const char *text, struct mail_address *address, struct fault *fault);
void mail_address_release(struct mail_address *address); /* zeroed memory is fine */
/* What stands behind the '@'. */
const char *mail_address_domain(const struct mail_address *address);

#endif
