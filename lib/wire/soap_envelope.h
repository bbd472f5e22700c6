/*
 * soap_envelope - the envelope of a SOAP request, around a report or with more in its header
 *
 *   <order>...</order>          <soap:Envelope xmlns:soap="..."><soap:Header>BLOCKS</soap:Header>
 *                               <soap:Body><order>...</order></soap:Body></soap:Envelope>
 *   <e:Envelope ...><e:Body>    <e:Envelope ...><e:Header>BLOCKS</e:Header><e:Body>
 *
 * Bytes are put between bytes: a report is not written anew, so that what its sender signed or canonicalized
 * stays as it is. Only the beginning is read, by libxml2 under its limits (xml_document.h): of a report the
 * start tag of its root, of an envelope all up to the end of its header. What is not well-formed behind that
 * is for the receiver to find. Sources: SOAP 1.1 section 4 (W3C note of 2000), SOAP 1.2 part 1 section 5.
 * Does not block.
 */
#ifndef DIST_SOAP_ENVELOPE_H
#define DIST_SOAP_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include "buf.h"
#include "fault.h"

enum soap_version { SOAP_1_1, SOAP_1_2, SOAP_VERSION_COUNT };
extern const char *const soap_versions[SOAP_VERSION_COUNT];   /* "1.1", "1.2" */
extern const char *const soap_namespaces[SOAP_VERSION_COUNT]; /* of the elements of an envelope */

#define SOAP_SECURITY_NAMESPACE                                                                              \
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
#define SOAP_ADDRESSING_NAMESPACE "http://www.w3.org/2005/08/addressing"

enum {
    SOAP_HEAD_MAX = 256 * 1024, /* bytes in which what is read has to end */
    SOAP_ENCODING_SIZE = 20,
};

struct soap_report {
    const void *data; /* a document, an element or an envelope */
    size_t size;
    const char
        *charset; /* what its content type says; "" or NULL: nothing. Its own declaration counts for more */
};

/* An envelope that is to be sent; `data` is of `made`, or the report's own where nothing was added to it. */
struct soap_envelope {
    const void *data;
    size_t size;
    struct buf made;
    char encoding[SOAP_ENCODING_SIZE]; /* "utf-8": for the content type */
};

/*
 * `blocks` are elements for the header, in ASCII, with all of their namespaces declared in them; "": none.
 * INPUT: the report is no XML, has a NUL in it, is in UTF-16, is an envelope of another version, or has
 * already a block of one of the namespaces above that `blocks` has. Nothing is to be released then.
 */
int soap_envelope_make(const struct soap_report *report, enum soap_version version, const char *blocks,
                       struct soap_envelope *envelope, struct fault *fault);
void soap_envelope_release(struct soap_envelope *envelope); /* wipes; zeroed memory is fine */

#endif
