/*
 * form_local - file, exec and null: what happens on this machine
 *
 * Paths and commands are the operator's alone, and what a placeholder brings in stays one component of the
 * path or one argument.
 */
#include "placeholders.h"
#include "form_parts.h"
#include "text.h"

enum {
    MODE_DEFAULT = 0640,
    ARGUMENTS_MAX = 256,
    ARGUMENT_SIZE = 4096,
    PATH_SIZE = 4095 /* Linux's PATH_MAX without the NUL */
};

static void file_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    const struct json_field fields[] = {
        {.name = "path",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &form->destination->path,
         .min = 2,
         .max = PATH_SIZE},
        {.name = "mode", .kind = JSON_KIND_STRING, .target = &form->mode},
        {0},
    };
    form_add_fields(out, fields);
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

bool form_path_is_plain(const char *path)
{
    if (*path != '/' || has_control(path))
        return false;
    while (*path == '/') {
        const char *component = ++path;
        path += strcspn(path, "/");
        size_t size = (size_t)(path - component);
        if (size == 0 || (size <= 2 && strspn(component, ".") >= size))
            return false;
    }
    return true;
}

/* "640" or "0640": set-id and sticky bits are not taken. */
static int read_mode(const char *mode, int64_t *bits)
{
    size_t size = strlen(mode);
    if (strspn(mode, "01234567") != size || (size != 3 && (size != 4 || *mode != '0')))
        return -1;
    for (*bits = 0; *mode; mode++)
        *bits = *bits * 8 + (*mode - '0');
    return 0;
}

static int file_check(struct form *form, struct fault *fault)
{
    struct destination *destination = form->destination;
    destination->mode = MODE_DEFAULT;
    if (!form_path_is_plain(destination->path))
        return fault_set(
            fault, FAULT_INPUT,
            "/path: an absolute path to a file is wanted, without \".\", \"..\" and empty components");
    if (form->mode && read_mode(form->mode, &destination->mode))
        return fault_set(fault, FAULT_INPUT, "/mode: permission bits as \"0640\" are wanted");
    return placeholders_check_public(destination->path, "/path", fault);
}

static void exec_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    const struct json_field fields[] = {
        {.name = "command",
         .kind = JSON_KIND_ARRAY,
         .required = true,
         .target = &form->destination->command,
         .min = 1,
         .max = ARGUMENTS_MAX},
        {0},
    };
    form_add_fields(out, fields);
}

static int exec_check(struct form *form, struct fault *fault)
{
    json_t *command = form->destination->command;
    if (form->destination->credentials)
        return fault_set(fault, FAULT_INPUT, "/credentials: a command is not handed any secret");
    for (size_t i = 0; i < json_array_size(command); i++) {
        const char *argument = json_string_value(json_array_get(command, i));
        char path[32];
        snprintf(path, sizeof path, "/command/%zu", i);
        if (!argument || strlen(argument) > ARGUMENT_SIZE)
            return fault_set(fault, FAULT_INPUT, "%s: a string of at most %d bytes is wanted", path,
                             ARGUMENT_SIZE);
        if (i == 0 && (!form_path_is_plain(argument) || strchr(argument, '{')))
            return fault_set(fault, FAULT_INPUT,
                             "%s: the absolute path of a program is wanted, without placeholders", path);
        if (i > 0 && placeholders_check_public(argument, path, fault))
            return -1;
    }
    return 0;
}

static void null_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    (void)form;
    out[0] = (struct json_field){0};
}

static const struct form_help file_help[] = {
    {"path", "\"/var/lib/dist/{tenant_id}/{date}-{delivery_id}.json\"",
     "an absolute path with placeholders; its folder must exist (required)"},
    {"mode", "\"0640\"", "permission bits in octal; default: \"0640\""},
    {0},
};
static const struct form_help exec_help[] = {
    {"command", "[\"/usr/bin/lp\", \"-t\", \"{data_type} {date}\"]",
     "an absolute path and arguments with placeholders; the body is on standard input (required)"},
    {0},
};
static const struct form_help null_help[] = {{0}};

const struct form_kind form_file = {
    .operator_only = true, .fields = file_fields, .check = file_check, .help = file_help};
const struct form_kind form_exec = {
    .operator_only = true, .fields = exec_fields, .check = exec_check, .help = exec_help};
const struct form_kind form_null = {.fields = null_fields, .help = null_help};
