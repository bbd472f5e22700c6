/*
 * form_hdfs - HDFS: a namenode (or an HttpFS gateway) that speaks WebHDFS, and the path of a file there
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "placeholders.h"
#include "form_parts.h"

enum { PATH_MAX_BYTES = 4095, USER_MAX = 255, DATANODES_MAX = 1000 };

static void hdfs_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    struct destination *destination = form->destination;
    const struct json_field fields[] = {
        {.name = "endpoint", .kind = JSON_KIND_STRING, .required = true, .target = &destination->endpoint},
        {.name = "path",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &destination->path,
         .min = 2,
         .max = PATH_MAX_BYTES},
        {.name = "user", .kind = JSON_KIND_STRING, .target = &destination->user, .min = 1, .max = USER_MAX},
        {.name = "permission", .kind = JSON_KIND_STRING, .target = &destination->permission},
        {.name = "datanodes",
         .kind = JSON_KIND_ARRAY,
         .target = &destination->datanodes,
         .min = 1,
         .max = DATANODES_MAX},
        {.name = "proxy", .kind = JSON_KIND_STRING, .target = &destination->proxy},
        FORM_FIELD_TLS(form),
        {.name = "allow_private", .kind = JSON_KIND_BOOL, .target = &destination->allow_private},
        {0},
    };
    form_add_fields(out, fields);
}

static int check_datanodes(const json_t *datanodes, struct fault *fault)
{
    const json_t *name;
    size_t index;

    if (datanodes && json_array_size(datanodes) == 0)
        return fault_set(fault, FAULT_INPUT, "/datanodes: at least one name is wanted");
    json_array_foreach (datanodes, index, name) {
        const char *host = json_string_value(name);
        if (!host || !form_host_is_valid(host, strlen(host)))
            return fault_set(fault, FAULT_INPUT, "/datanodes/%zu: the name of a host is wanted", index);
    }
    return 0;
}

static int hdfs_check(struct form *form, struct fault *fault)
{
    struct destination *destination = form->destination;
    const char *permission = destination->permission;

    if (form_check_base(destination, fault))
        return -1;
    if (!form_path_is_plain(destination->path) || strchr(destination->path, ':'))
        return fault_set(
            fault, FAULT_INPUT,
            "/path: an absolute path to a file is wanted, without \".\", \"..\", empty components "
            "and ':'");
    if (placeholders_check_public(destination->path, "/path", fault))
        return -1;
    for (const char *c = destination->user ? destination->user : ""; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return fault_set(fault, FAULT_INPUT, "/user: the name of a user is wanted");
    if (permission && (strspn(permission, "01234567") != strlen(permission) || strlen(permission) != 3))
        return fault_set(fault, FAULT_INPUT, "/permission: three octal digits as \"640\" are wanted");
    if (check_datanodes(destination->datanodes, fault))
        return -1;
    if (form_check_proxy(destination, fault))
        return -1;
    if (!destination->proxy)
        destination->proxy = "direct"; /* the setting is for the internet, where no cluster is */
    return form_check_tls(form, strncasecmp(destination->endpoint, "https:", 6) == 0, false, fault);
}

static const struct form_help hdfs_help[] = {
    {"endpoint", "\"https://namenode.example.com:9871\"",
     "an http or https URL of a namenode or an HttpFS gateway (required)"},
    {"path", "\"/data/{tenant_id}/{date}/{delivery_id}.json\"",
     "an absolute path in the file system, with placeholders; its folders are made (required)"},
    {"user", "\"dist\"",
     "who writes, where the credentials have neither a delegation token nor a user name; default: whom the "
     "namenode takes us for"},
    {"permission", NULL, "of the file, as \"640\"; default: what the file system gives"},
    {"datanodes", NULL,
     "names of the hosts that a namenode may send the bytes to; default: any that the address guard lets "
     "pass"},
    {"proxy", NULL, "\"http://host:port\", https or socks5h; default: none"},
    {"tls", NULL,
     "an object with \"ca_file\", \"cert_file\", \"key_file\"; default: the system's authorities"},
    {"allow_private", NULL, "true: private addresses may be connected to; default: false"},
    {0},
};

const struct form_kind form_hdfs = {.fields = hdfs_fields, .check = hdfs_check, .help = hdfs_help};
