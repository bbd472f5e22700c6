/*
 * soap_header - see soap_header.h
 */
#include "soap_header.h"

#include <string.h>
#include "clock.h"
#include "digest.h"
#include "text.h"
#include "utf8.h"

#define SECURITY_FOLDER "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
#define UTILITY_NAMESPACE SECURITY_FOLDER "wssecurity-utility-1.0.xsd"
#define PASSWORD_TYPE SECURITY_FOLDER "username-token-profile-1.0#Password"
#define BASE64_TYPE SECURITY_FOLDER "soap-message-security-1.0#Base64Binary"

/* Character data: what is not plain ASCII as a reference. -1: it is no UTF-8, or XML does not have it. */
static int add_escaped(struct buf *out, const char *text)
{
    const char *end = text + strlen(text);
    uint32_t point;

    for (size_t size; text < end; text += size) {
        size = utf8_decode(text, (size_t)(end - text), &point);
        if (!size || (point < ' ' && !strchr("\t\r\n", (int)point)) || point == 0xfffe || point == 0xffff)
            return -1;
        if (point < ' ' || point >= 0x7f || strchr("<>&\"'", (int)point))
            buf_addf(out, "&#%lu;", (unsigned long)point);
        else
            buf_addc(out, (char)point);
    }
    return 0;
}

/* <PREFIX:NAME>text</PREFIX:NAME>; `what` it is, for the fault. */
static int add_element(struct buf *out, const char *name, const char *attribute, const char *text,
                       const char *what, struct fault *fault)
{
    buf_addf(out, "<%s%s>", name, attribute);
    if (add_escaped(out, text))
        return fault_set(fault, FAULT_CONFIG, "the %s has a character that XML does not have", what);
    buf_addf(out, "</%s>", name);
    return 0;
}

static void add_timestamp(struct buf *out, const struct soap_token *token, const char *created)
{
    char expires[CLOCK_TEXT_SIZE];

    clock_format(token->created_us + token->lifetime_ms * 1000, expires);
    buf_addf(out, "<wsu:Timestamp><wsu:Created>%s</wsu:Created><wsu:Expires>%s</wsu:Expires></wsu:Timestamp>",
             created, expires);
}

static void make_proof(const struct soap_token *token, const char *created, char proof[SOAP_PROOF_SIZE])
{
    unsigned char digest[DIGEST_SHA1_SIZE];
    struct buf encoded;

    const struct digest_part parts[] = {{token->nonce, sizeof token->nonce},
                                        {created, strlen(created)},
                                        {token->password, strlen(token->password)}};
    digest_sha1(parts, sizeof parts / sizeof *parts, digest);
    buf_init(&encoded, SOAP_PROOF_SIZE);
    text_add_base64(&encoded, digest, sizeof digest);
    text_copy(proof, SOAP_PROOF_SIZE, encoded.data);
    buf_release(&encoded);
}

static int add_password(struct buf *out, const struct soap_token *token, const char *created,
                        char proof[SOAP_PROOF_SIZE], struct fault *fault)
{
    proof[0] = '\0';
    if (!token->digest)
        return add_element(out, "wsse:Password", " Type=\"" PASSWORD_TYPE "Text\"", token->password,
                           "password", fault);
    make_proof(token, created, proof);
    buf_addf(out, "<wsse:Password Type=\"" PASSWORD_TYPE "Digest\">%s</wsse:Password>", proof);
    buf_adds(out, "<wsse:Nonce EncodingType=\"" BASE64_TYPE "\">");
    text_add_base64(out, token->nonce, sizeof token->nonce);
    buf_addf(out, "</wsse:Nonce><wsu:Created>%s</wsu:Created>", created);
    return 0;
}

int soap_header_add_security(struct buf *out, const struct soap_token *token, enum soap_version version,
                             char proof[SOAP_PROOF_SIZE], struct fault *fault)
{
    char created[CLOCK_TEXT_SIZE];

    clock_format(token->created_us, created);
    buf_addf(out,
             "<wsse:Security xmlns:wsse=\"" SOAP_SECURITY_NAMESPACE "\" xmlns:wsu=\"" UTILITY_NAMESPACE
             "\" xmlns:soap=\"%s\" soap:mustUnderstand=\"1\">",
             soap_namespaces[version]);
    if (token->timestamp)
        add_timestamp(out, token, created);
    buf_adds(out, "<wsse:UsernameToken>");
    if (add_element(out, "wsse:Username", "", token->username, "user name", fault) ||
        add_password(out, token, created, proof, fault))
        return -1;
    buf_adds(out, "</wsse:UsernameToken></wsse:Security>");
    return out->overflow ? fault_set(fault, FAULT_CONFIG, "user name and password are too long") : 0;
}

int soap_header_add_addressing(struct buf *out, const struct soap_address *address, enum soap_version version,
                               struct fault *fault)
{
    char space[200];

    snprintf(space, sizeof space, " xmlns:wsa=\"" SOAP_ADDRESSING_NAMESPACE "\" xmlns:soap=\"%s\"",
             soap_namespaces[version]);
    if (add_element(out, "wsa:Action", space, address->action, "action", fault) ||
        add_element(out, "wsa:To", space, address->to, "endpoint", fault))
        return -1;
    buf_addf(out, "<wsa:MessageID%s>urn:uuid:%s</wsa:MessageID>", space, address->message_id);
    return out->overflow ? fault_set(fault, FAULT_CONFIG, "action and endpoint are too long") : 0;
}
