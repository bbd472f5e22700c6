/*
 * admin - see admin.h: schema, tenants, settings
 */
#include "admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "holds.h"
#include "json.h"
#include "msg.h"
#include "table.h"
#include "xalloc.h"

static void applied(void *arg, int version, const char *name)
{
    (void)arg;
    (void)version;
    msg(MSG_INFO, "applied migration %s", name);
}

int admin_migrate(const struct tool *tool, struct fault *fault)
{
    struct store *store = tool_store(tool);
    int have, want;
    int result = store_migrate(store, applied, NULL, fault);
    if (result == 0)
        result = store_schema_version(store, &have, &want, fault);
    if (result == 0)
        result = print_text(fault, "schema version %d\n", have);
    store_free(store);
    return result;
}

int admin_tenant_add(const struct tool *tool, const char *tenant_id, const char *name, struct fault *fault)
{
    struct store *store = tool_store(tool);
    int result = store_open(store, fault);
    if (result == 0)
        result = store_tenant_add(store, tenant_id, name, fault);
    store_free(store);
    return result;
}

int admin_tenant_disable(const struct tool *tool, const char *tenant_id, bool disabled, struct fault *fault)
{
    struct store *store = tool_store(tool);
    int result = store_open(store, fault);
    if (result == 0)
        result = store_tenant_disable(store, tenant_id, disabled, fault);
    store_free(store);
    return result;
}

int admin_destination_resume(const struct tool *tool, const char *name, struct fault *fault)
{
    struct queue *queue = tool_queue(tool);
    bool lifted = false;
    int result = holds_lift(queue, name, &lifted, fault);

    queue_free(queue);
    if (result == 0 && !lifted)
        return fault_set(fault, FAULT_INPUT, "'%s' is not disabled by its own answer", name);
    return result;
}

struct listing {
    bool json;
    struct table table;
    struct fault *fault;
};

static int tenant_row(void *arg, const struct tenant_view *view)
{
    struct listing *listing = arg;
    char created[CLOCK_TEXT_SIZE], jobs[24];

    clock_format(view->created_at_us, created);
    if (listing->json)
        return print_json(json_pack("{s:s, s:s?, s:b, s:s, s:I}", "tenant_id", view->tenant_id, "name",
                                    view->name, "disabled", (int)view->disabled, "created_at", created,
                                    "distributions", (json_int_t)view->jobs),
                          listing->fault);
    snprintf(jobs, sizeof jobs, "%lld", (long long)view->jobs);
    table_row(&listing->table, (const char *[]){view->tenant_id, view->disabled ? "disabled" : "active", jobs,
                                                created, view->name});
    return 0;
}

int admin_tenant_list(const struct tool *tool, bool json, struct fault *fault)
{
    static const char *const heading[] = {"TENANT", "STATE", "DISTRIBUTIONS", "CREATED", "NAME"};
    struct listing listing = {.json = json, .fault = fault};
    struct store *store = tool_store(tool);

    table_init(&listing.table, heading, 5);
    int result = store_open(store, fault);
    if (result == 0)
        result = store_tenant_list(store, tenant_row, &listing, fault);
    if (result == 0)
        result = table_print(&listing.table, fault);
    table_release(&listing.table);
    store_free(store);
    return result;
}

int admin_config(const struct tool *tool, bool json, struct fault *fault)
{
    static const char *const heading[] = {"SETTING", "VALUE", "ORIGIN"};
    struct table table;
    int result = 0;

    table_init(&table, heading, 3);
    if (!json)
        result = print_text(fault, "configuration folder: %s\n\n", conf_dir(tool->conf));
    for (const struct conf_setting *setting = conf_settings; result == 0 && setting->name; setting++) {
        const char *value = conf_shown(tool->conf, setting->name);
        const char *origin = conf_origin(tool->conf, setting->name);
        if (json)
            result = print_json(json_pack("{s:s, s:s, s:s}", "setting", setting->name, "value",
                                          value ? value : "", "origin", origin),
                                fault);
        else
            table_row(&table, (const char *[]){setting->name, value && *value ? value : "-", origin});
    }
    if (result == 0)
        result = table_print(&table, fault);
    table_release(&table);
    return result;
}
