/*
 * mail - a report as a mail (RFC 5322, MIME)
 *
 * The same mail gets the same bytes each time: its date is that of the submission, and its Message-ID and
 * boundary come from the id of the delivery. All of it is ASCII in lines of at most 78 characters, but for a
 * content type or a field of the format that is longer, so no server needs an extension to take it.
 */
#ifndef DIST_MAIL_H
#define DIST_MAIL_H

#include <jansson.h>
#include <stdint.h>
#include "buf.h"
#include "fault.h"
#include "mail_address.h"

struct mail_addresses {
    struct mail_address *items;
    size_t count;
};
/* Parses and appends; INPUT. */
int mail_addresses_add(struct mail_addresses *addresses, const char *text, struct fault *fault);
void mail_addresses_release(struct mail_addresses *addresses);

struct mail {
    struct mail_addresses from, to, cc, reply_to; /* one of `from`, at most one of `reply_to` */
    const char *subject;
    const char *message_id; /* without '<', '@' and what follows: the domain is that of `from` */
    int64_t date_us;
    const char *content_type; /* of the report */
    const json_t *headers;    /* that belong to it, an object of texts, or NULL */
    const void *body;
    size_t body_size;
    const char *filename; /* the report is an attachment of that name; NULL: it is the body of the mail */
    const char *text;     /* in front of an attachment; "" or NULL: nothing */
};

/*
 * Appends the mail. A report that people can read is quoted-printable as the body of a mail, with the line
 * ends of mails; what is attached, or cannot be read, is base64 and keeps every byte. INPUT: a control
 * character in a value, or `out` is full.
 */
int mail_compose(const struct mail *mail, struct buf *out, struct fault *fault);

#endif
