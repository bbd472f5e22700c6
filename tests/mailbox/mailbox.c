/*
 * mailbox - a RabbitMQ from the consumer's side, for the tests of the AMQP adapter
 *
 *   mailbox PORT exchange NAME [internal]         declares a durable topic exchange
 *   mailbox PORT queue NAME EXCHANGE KEY [MAX]    declares a durable queue and binds it; a queue of at most
 * MAX messages refuses the others mailbox PORT take QUEUE                       prints what is in it, a JSON
 * object per message, and takes it away
 *
 * It logs in as guest at 127.0.0.1, by librabbitmq's own blocking calls. Whatever fails is said, and ends it
 * with 1.
 */
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNEL = 1, FRAME_MAX = 128 * 1024 };

struct mailbox {
    amqp_connection_state_t state;
    int count; /* of words behind the command */
    char **words;
};

static void die(const char *what)
{
    fprintf(stderr, "mailbox: %s\n", what);
    exit(1);
}

static void must(amqp_rpc_reply_t reply, const char *what)
{
    const amqp_channel_close_t *close = reply.reply.decoded; /* of a connection it begins alike */

    if (reply.reply_type == AMQP_RESPONSE_NORMAL)
        return;
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && close)
        fprintf(stderr, "mailbox: %.*s\n", (int)close->reply_text.len, (char *)close->reply_text.bytes);
    die(what);
}

static amqp_bytes_t bytes_of(const char *text)
{
    return amqp_cstring_bytes(text);
}

static void do_exchange(struct mailbox *box)
{
    amqp_exchange_declare(box->state, CHANNEL, bytes_of(box->words[0]), bytes_of("topic"), 0, 1, 0,
                          box->count > 1, amqp_empty_table);
    must(amqp_get_rpc_reply(box->state), "exchange");
}

static void do_queue(struct mailbox *box)
{
    amqp_table_entry_t limits[2];
    amqp_table_t arguments = {.num_entries = box->count > 3 ? 2 : 0, .entries = limits};

    if (box->count < 3)
        die("queue NAME EXCHANGE KEY [MAX]");
    if (box->count > 3) {
        limits[0] = (amqp_table_entry_t){.key = bytes_of("x-max-length"), .value.kind = AMQP_FIELD_KIND_I32};
        limits[0].value.value.i32 = (int32_t)strtol(box->words[3], NULL, 10);
        limits[1] = (amqp_table_entry_t){.key = bytes_of("x-overflow"), .value.kind = AMQP_FIELD_KIND_UTF8};
        limits[1].value.value.bytes = bytes_of("reject-publish");
    }
    amqp_queue_declare(box->state, CHANNEL, bytes_of(box->words[0]), 0, 1, 0, 0, arguments);
    must(amqp_get_rpc_reply(box->state), "queue");
    amqp_queue_bind(box->state, CHANNEL, bytes_of(box->words[0]), bytes_of(box->words[1]),
                    bytes_of(box->words[2]), amqp_empty_table);
    must(amqp_get_rpc_reply(box->state), "bind");
}

static void set_text(json_t *line, const char *name, amqp_bytes_t text)
{
    if (text.len)
        json_object_set_new(line, name, json_stringn(text.bytes, text.len));
}

static json_t *headers_of(const amqp_table_t *table)
{
    json_t *headers = json_object();

    for (int i = 0; i < table->num_entries; i++) {
        const amqp_table_entry_t *entry = &table->entries[i];
        char *name = strndup(entry->key.bytes, entry->key.len);
        if (name && entry->value.kind == AMQP_FIELD_KIND_UTF8)
            json_object_set_new(headers, name,
                                json_stringn(entry->value.value.bytes.bytes, entry->value.value.bytes.len));
        free(name);
    }
    return headers;
}

static void print_message(const amqp_basic_get_ok_t *got, const amqp_message_t *message)
{
    const amqp_basic_properties_t *properties = &message->properties;
    json_t *line = json_object();

    set_text(line, "routing_key", got->routing_key);
    set_text(line, "message_id", properties->message_id);
    set_text(line, "correlation_id", properties->correlation_id);
    set_text(line, "type", properties->type);
    set_text(line, "content_type", properties->content_type);
    set_text(line, "content_encoding", properties->content_encoding);
    json_object_set_new(line, "timestamp", json_integer((json_int_t)properties->timestamp));
    json_object_set_new(line, "delivery_mode", json_integer(properties->delivery_mode));
    json_object_set_new(line, "headers", headers_of(&properties->headers));
    json_object_set_new(line, "size", json_integer((json_int_t)message->body.len));
    if (message->body.len < 1000)
        set_text(line, "body", message->body); /* left out where it is not UTF-8 */
    if (json_dumpf(line, stdout, JSON_COMPACT) < 0 || putchar('\n') == EOF)
        die("cannot write");
    json_decref(line);
}

static void do_take(struct mailbox *box)
{
    for (;;) {
        amqp_rpc_reply_t reply = amqp_basic_get(box->state, CHANNEL, bytes_of(box->words[0]), 1);
        amqp_message_t message;
        must(reply, "get");
        if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD)
            return;
        const amqp_basic_get_ok_t *got = reply.reply.decoded;
        must(amqp_read_message(box->state, CHANNEL, &message, 0), "read");
        print_message(got, &message);
        amqp_destroy_message(&message);
        amqp_maybe_release_buffers(box->state);
    }
}

static void log_in(struct mailbox *box, int port)
{
    amqp_socket_t *socket;

    box->state = amqp_new_connection();
    socket = amqp_tcp_socket_new(box->state);
    if (!socket || amqp_socket_open(socket, "127.0.0.1", port) != AMQP_STATUS_OK)
        die("cannot connect");
    must(amqp_login(box->state, "/", 0, FRAME_MAX, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"), "login");
    amqp_channel_open(box->state, CHANNEL);
    must(amqp_get_rpc_reply(box->state), "channel");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct mailbox *box);
    } commands[] = {{"exchange", do_exchange}, {"queue", do_queue}, {"take", do_take}};
    struct mailbox box = {.count = argc - 3, .words = argv + 3};

    if (argc < 4)
        die("PORT exchange|queue|take NAME ...");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[2], commands[i].name) != 0)
            continue;
        log_in(&box, (int)strtol(argv[1], NULL, 10));
        commands[i].run(&box);
        amqp_connection_close(box.state, AMQP_REPLY_SUCCESS);
        amqp_destroy_connection(box.state);
        return fflush(stdout) == 0 ? 0 : 1;
    }
    die("what is to be done?");
}
