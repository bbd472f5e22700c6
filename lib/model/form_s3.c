/*
 * form_s3 - S3: where a store is, and the key that a report gets there
 *
 * What a placeholder brings in stays one component of the key, so no report leaves the prefix that the form
 * gives it.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "placeholders.h"
#include "form_parts.h"
#include "xalloc.h"

enum {
    BUCKET_MIN = 3,
    BUCKET_MAX = 63,
    REGION_MAX = 64,
    KEY_MAX = 1024, /* of S3, in bytes; placeholders may make it longer than its template, or shorter */
    KMS_KEY_MAX = 2048,
    MIB = 1024 * 1024,
    PART_MIN = 5 * MIB, /* of S3, for all parts but the last */
    PART_DEFAULT = 16 * MIB,
    PART_MAX = 512 * MIB, /* no body is larger */
};

static const char *const styles[] = {"path", "virtual", NULL};
static const char *const encryptions[] = {"AES256", "aws:kms", "aws:kms:dsse", NULL};

static void s3_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    struct destination *destination = form->destination;
    const struct json_field fields[] = {
        {.name = "endpoint", .kind = JSON_KIND_STRING, .target = &destination->endpoint},
        {.name = "region",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &destination->region,
         .min = 1,
         .max = REGION_MAX},
        {.name = "bucket",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &destination->bucket,
         .min = BUCKET_MIN,
         .max = BUCKET_MAX},
        {.name = "key", .kind = JSON_KIND_STRING, .target = &destination->key, .min = 1, .max = KEY_MAX},
        {.name = "style", .kind = JSON_KIND_WORD, .target = &form->style, .words = styles},
        {.name = "checksum", .kind = JSON_KIND_BOOL, .target = &destination->checksum},
        {.name = "encryption",
         .kind = JSON_KIND_WORD,
         .target = &destination->encryption,
         .words = encryptions},
        {.name = "kms_key_id",
         .kind = JSON_KIND_STRING,
         .target = &destination->kms_key_id,
         .min = 1,
         .max = KMS_KEY_MAX},
        {.name = "part_size",
         .kind = JSON_KIND_INT,
         .target = &destination->part_size,
         .min = PART_MIN,
         .max = PART_MAX},
        {.name = "proxy", .kind = JSON_KIND_STRING, .target = &destination->proxy},
        FORM_FIELD_TLS(form),
        {.name = "allow_private", .kind = JSON_KIND_BOOL, .target = &destination->allow_private},
        {0},
    };
    destination->checksum = true;
    destination->part_size = PART_DEFAULT;
    form_add_fields(out, fields);
}

/* Lower-case letters, digits and what of "-." is taken, alphanumeric at both ends. */
static bool is_label(const char *text, const char *marks)
{
    const char *c = text;

    for (; *c; c++)
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && !strchr(marks, *c))
            return false;
    return c != text && isalnum((unsigned char)*text) && isalnum((unsigned char)c[-1]);
}

/* A certificate for "*.host" covers no name with a dot in its first part (RFC 6125 section 6.4.3). */
static int check_style(struct form *form, bool encrypted, struct fault *fault)
{
    struct destination *destination = form->destination;
    bool dotted = strchr(destination->bucket, '.') != NULL;

    destination->virtual_host =
        form->style ? strcmp(form->style, "virtual") == 0 : !destination->endpoint && !dotted;
    if (destination->virtual_host && encrypted && dotted)
        return fault_set(fault, FAULT_INPUT,
                         "/style: no certificate covers a bucket with a dot in its name; say \"path\"");
    return 0;
}

static int check_key(struct destination *destination, struct fault *fault)
{
    if (!destination->key)
        destination->key = "{tenant_id}/{date}/{distribution_id}.json";
    char *path = xasprintf("/%s", destination->key);
    bool plain = form_path_is_plain(path);
    free(path);
    if (!plain)
        return fault_set(
            fault, FAULT_INPUT,
            "/key: no '/' at its beginning or end, no empty components, \".\" and \"..\", no control "
            "characters");
    return placeholders_check_public(destination->key, "/key", fault);
}

static int check_encryption(const struct destination *destination, struct fault *fault)
{
    const char *id = destination->kms_key_id;

    if (!id)
        return 0;
    if (!destination->encryption || strcmp(destination->encryption, "AES256") == 0)
        return fault_set(fault, FAULT_INPUT, "/kms_key_id: it is for \"encryption\": \"aws:kms\"");
    for (; *id; id++)
        if (*id <= ' ' || *id >= 0x7f)
            return fault_set(fault, FAULT_INPUT, "/kms_key_id: the id or ARN of a key is wanted");
    return 0;
}

static int s3_check(struct form *form, struct fault *fault)
{
    struct destination *destination = form->destination;
    bool encrypted = true;

    if (destination->endpoint) {
        if (form_check_base(destination, fault))
            return -1;
        encrypted = strncasecmp(destination->endpoint, "https:", 6) == 0;
    } else if (strncmp(destination->region, "cn-", 3) == 0) {
        return fault_set(fault, FAULT_INPUT, "'endpoint' is missing: it is known for no region of China");
    }
    if (!is_label(destination->region, "-"))
        return fault_set(fault, FAULT_INPUT, "/region: lower-case letters, digits and '-' are wanted");
    if (!is_label(destination->bucket, "-."))
        return fault_set(fault, FAULT_INPUT,
                         "/bucket: lower-case letters, digits, '-' and '.' are wanted, a letter or digit at "
                         "both ends");
    if (check_style(form, encrypted, fault) || check_key(destination, fault) ||
        check_encryption(destination, fault))
        return -1;
    if (form_check_proxy(destination, fault))
        return -1;
    return form_check_tls(form, encrypted, false, fault);
}

static const struct form_help s3_help[] = {
    {"endpoint", NULL, "an http or https URL of the store; default: that of AWS for the region"},
    {"region", "\"eu-south-1\"", "the region that requests are signed for (required)"},
    {"bucket", "\"reports\"", "the name of the bucket, which must exist (required)"},
    {"key", "\"{tenant_id}/{date}/{distribution_id}.json\"",
     "of the object, with placeholders; default: as here. An object of that key is replaced"},
    {"style", NULL,
     "where the bucket's name stands: \"path\" or \"virtual\" (in the host); default: \"virtual\" for AWS, "
     "\"path\" with an endpoint"},
    {"checksum", NULL, "false: the store gets no SHA-256 to keep; default: true"},
    {"encryption", NULL, "\"AES256\", \"aws:kms\" or \"aws:kms:dsse\"; default: what the bucket says"},
    {"kms_key_id", NULL, "the id or ARN of a key for aws:kms; default: the account's"},
    {"part_size", NULL,
     "bytes, 5242880 to 536870912: a larger body is sent in parts of that size; default: 16777216"},
    {"proxy", NULL, "\"http://host:port\", https or socks5h; \"direct\": none; default: DIST_PROXY"},
    {"tls", NULL,
     "an object with \"ca_file\", \"cert_file\", \"key_file\"; default: the system's authorities"},
    {"allow_private", NULL, "true: private addresses may be connected to; default: false"},
    {0},
};

const struct form_kind form_s3 = {.fields = s3_fields, .check = s3_check, .help = s3_help};
