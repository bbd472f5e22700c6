/*
 * pattern_tests - the operators of patterns: one table, and for each how it is read and when it holds
 *
 * Hard rule: a test is linear in the text that it looks at. A wildcard is split at its stars; the first piece
 * stands at the begin, the last at the end, and each other where it is found first behind the one before:
 * the leftmost place leaves the most for what follows, so nothing has ever to be tried again.
 */
#include <arpa/inet.h>
#include <string.h>
#include "fold.h"
#include "num.h"
#include "pattern.h"
#include "pattern_parts.h"
#include "text.h"
#include "xalloc.h"

static int read_text(struct pattern_reader *reader, const json_t *operand, struct pattern_test *test)
{
    if (!json_is_string(operand) || json_string_length(operand) > PATTERN_TEXT)
        return pattern_fail(reader, "a text of at most %d bytes is wanted", PATTERN_TEXT);
    test->text = json_string_value(operand);
    test->size = json_string_length(operand);
    return 0;
}

/* "eu-" or {"equals-ignore-case": "EU-"} */
static int read_end(struct pattern_reader *reader, const json_t *operand, struct pattern_test *test)
{
    const json_t *folded = json_object_get(operand, "equals-ignore-case");

    if (folded && json_object_size(operand) == 1) {
        test->fold = true;
        operand = folded;
    }
    if (json_is_object(operand))
        return pattern_fail(reader, "a text or {\"equals-ignore-case\": text} is wanted");
    if (read_text(reader, operand, test))
        return -1;
    if (!test->size)
        return pattern_fail(reader, "an empty text is at either end of every text; for any value take "
                                    "{\"exists\": true}");
    return 0;
}

static bool prefix_holds(const struct pattern_test *test, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);

    if (!text)
        return false;
    if (test->fold)
        return fold_starts_with(text, size, test->text, test->size);
    return size >= test->size && memcmp(text, test->text, test->size) == 0;
}

static bool suffix_holds(const struct pattern_test *test, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);

    if (!text)
        return false;
    if (test->fold)
        return fold_ends_with(text, size, test->text, test->size);
    return size >= test->size && memcmp(text + size - test->size, test->text, test->size) == 0;
}

static bool same_text_holds(const struct pattern_test *test, const json_t *value)
{
    const char *text = json_string_value(value);

    return text && fold_equals(text, json_string_length(value), test->text, test->size);
}

static int read_wildcard(struct pattern_reader *reader, const json_t *operand, struct pattern_test *test)
{
    size_t used = 0;

    if (read_text(reader, operand, test))
        return -1;
    test->pieces = xmalloc(test->size + 1);
    test->piece_sizes = xcalloc(PATTERN_WILDCARDS + 1, sizeof *test->piece_sizes);
    test->count = 1;
    for (const char *c = test->text; *c; c++) {
        if (*c == '*') {
            if (c[1] == '*')
                return pattern_fail(reader, "two stars are as good as one");
            if (test->count > PATTERN_WILDCARDS)
                return pattern_fail(reader, "more than %d stars", PATTERN_WILDCARDS);
            test->count++;
            continue;
        }
        if (*c == '\\' && c[1] != '*' && c[1] != '\\')
            return pattern_fail(reader, "behind a backslash only '*' and '\\' may stand");
        if (*c == '\\')
            c++;
        test->pieces[used++] = *c;
        test->piece_sizes[test->count - 1]++;
    }
    if (test->count == 1)
        return pattern_fail(reader, "there is no star in it; write the text itself, without an operator");
    return 0;
}

static bool wildcard_holds(const struct pattern_test *test, const json_t *value)
{
    const char *text = json_string_value(value), *piece = test->pieces;
    size_t left = json_string_length(value);
    const size_t last = test->piece_sizes[test->count - 1];

    if (!text || left < test->piece_sizes[0] || memcmp(text, piece, test->piece_sizes[0]) != 0)
        return false;
    for (size_t i = 0; i + 1 < test->count; i++) {
        const size_t size = test->piece_sizes[i];
        const char *found = i ? memmem(text, left, piece, size) : text;

        if (!found)
            return false;
        left -= (size_t)(found - text) + size;
        text = found + size;
        piece += size;
    }
    return left >= last && memcmp(text + left - last, piece, last) == 0;
}

/* long double holds both an int64_t and a double without loss where it has 64 bits or more of mantissa. */
static long double number_value(const json_t *number)
{
    return json_is_integer(number) ? (long double)json_integer_value(number)
                                   : (long double)json_real_value(number);
}

int pattern_compare_numbers(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t left = json_integer_value(a), right = json_integer_value(b);
        return left < right ? -1 : left > right;
    }
    long double left = number_value(a), right = number_value(b);
    return left < right ? -1 : left > right;
}

/* [">", 0, "<=", 5] */
static int read_bound(struct pattern_reader *reader, const json_t *sign, const json_t *number,
                      struct pattern_test *test)
{
    static const struct {
        const char *sign;
        bool low, high, inclusive;
    } signs[] = {{"=", true, true, true},
                 {">", true, false, false},
                 {">=", true, false, true},
                 {"<", false, true, false},
                 {"<=", false, true, true}};
    size_t i = 0;

    while (i < sizeof signs / sizeof *signs &&
           (!json_is_string(sign) || strcmp(signs[i].sign, json_string_value(sign)) != 0))
        i++;
    if (i == sizeof signs / sizeof *signs || !json_is_number(number))
        return pattern_fail(reader, "pairs of one of = > >= < <= and a number are wanted, as "
                                    "[\">\", 0, \"<=\", 5]");
    if ((signs[i].low && test->low.number) || (signs[i].high && test->high.number))
        return pattern_fail(reader, "'%s' comes where that end is set already", signs[i].sign);
    if (signs[i].low)
        test->low = (struct pattern_bound){.number = number, .inclusive = signs[i].inclusive};
    if (signs[i].high)
        test->high = (struct pattern_bound){.number = number, .inclusive = signs[i].inclusive};
    return 0;
}

static int read_numeric(struct pattern_reader *reader, const json_t *operand, struct pattern_test *test)
{
    const size_t count = json_array_size(operand);

    if (count != 2 && count != 4)
        return pattern_fail(reader, "an array of one or two signs with their numbers is wanted, as "
                                    "[\">\", 0, \"<=\", 5]");
    for (size_t i = 0; i < count; i += 2) {
        if (read_bound(reader, json_array_get(operand, i), json_array_get(operand, i + 1), test))
            return -1;
    }
    if (test->low.number && test->high.number) {
        int order = pattern_compare_numbers(test->low.number, test->high.number);
        if (order > 0 || (order == 0 && !(test->low.inclusive && test->high.inclusive)))
            return pattern_fail(reader, "no number is within these bounds");
    }
    return 0;
}

static bool numeric_holds(const struct pattern_test *test, const json_t *value)
{
    if (!json_is_number(value))
        return false;
    if (test->low.number && pattern_compare_numbers(value, test->low.number) < (test->low.inclusive ? 0 : 1))
        return false;
    return !test->high.number ||
           pattern_compare_numbers(value, test->high.number) <= (test->high.inclusive ? 0 : -1);
}

static int read_exists(struct pattern_reader *reader, const json_t *operand, struct pattern_test *test)
{
    if (!json_is_boolean(operand))
        return pattern_fail(reader, "true or false is wanted");
    test->there = json_is_true(operand);
    return 0;
}

/* The address in network order; its size, 4 or 16, or 0. What carries an IPv4 address is one (RFC
 * 4291, 2.5.5.2). */
static int parse_address(const char *text, unsigned char address[16])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (inet_pton(AF_INET, text, address) == 1)
        return 4;
    if (inet_pton(AF_INET6, text, address) != 1)
        return 0;
    if (memcmp(address, mapped, sizeof mapped) != 0)
        return 16;
    memmove(address, address + sizeof mapped, 4);
    return 4;
}

/* Leaves the first `bits` bits; true where the others were 0. */
static bool mask_address(unsigned char *address, int size, int bits)
{
    bool clean = true;

    for (int i = 0; i < size; i++) {
        int keep = bits - i * 8 > 8 ? 8 : bits - i * 8 < 0 ? 0 : bits - i * 8;
        unsigned char mask = (unsigned char)(0xff00 >> keep);
        clean = clean && !(address[i] & ~mask);
        address[i] &= mask;
    }
    return clean;
}

static int read_cidr(struct pattern_reader *reader, const json_t *operand, struct pattern_test *test)
{
    const char *text = json_string_value(operand);
    const char *slash = text ? strchr(text, '/') : NULL;
    char address[INET6_ADDRSTRLEN] = "";
    int64_t bits;

    if (slash && (size_t)(slash - text) < sizeof address)
        memcpy(address, text, (size_t)(slash - text));
    test->address_size = parse_address(address, test->address);
    int written_size = strchr(address, ':') ? 16 : 4;
    if (!test->address_size || num_parse_int(slash + 1, 0, written_size * 8, &bits, NULL))
        return pattern_fail(reader, "a network is wanted, as \"10.0.0.0/8\" or \"2001:db8::/32\"");
    test->bits = (int)bits - (written_size - test->address_size) * 8;
    if (test->bits < 0)
        return pattern_fail(reader, "this network is wider than the IPv4 addresses in IPv6; write it as "
                                    "\"0.0.0.0/0\"");
    if (!mask_address(test->address, test->address_size, test->bits)) {
        inet_ntop(test->address_size == 4 ? AF_INET : AF_INET6, test->address, address, sizeof address);
        return pattern_fail(reader, "the address has bits behind the network; did you mean '%s/%d'?", address,
                            test->bits);
    }
    return 0;
}

static bool cidr_holds(const struct pattern_test *test, const json_t *value)
{
    unsigned char address[16];
    const char *text = json_string_value(value);

    /* inet_pton() would look at no more of a longer text, but it has no reason to see one. */
    if (!text || json_string_length(value) >= INET6_ADDRSTRLEN ||
        parse_address(text, address) != test->address_size)
        return false;
    mask_address(address, test->address_size, test->bits);
    return memcmp(address, test->address, (size_t)test->address_size) == 0;
}

static int read_exact(struct pattern_reader *reader, const json_t *operand, struct pattern_test *test)
{
    (void)test;
    if (json_string_length(operand) > PATTERN_TEXT)
        return pattern_fail(reader, "a text of at most %d bytes is wanted", PATTERN_TEXT);
    return 0;
}

static bool exact_holds(const struct pattern_test *test, const json_t *value)
{
    if (json_is_number(value) && json_is_number(test->operand))
        return pattern_compare_numbers(value, test->operand) == 0;
    if (json_typeof(value) != json_typeof(test->operand))
        return false;
    if (!json_is_string(value))
        return true; /* true, false, null */
    return json_string_length(value) == json_string_length(test->operand) &&
           strcmp(json_string_value(value), json_string_value(test->operand)) == 0;
}

static int read_but(struct pattern_reader *reader, const json_t *operand, struct pattern_test *test);

static bool but_holds(const struct pattern_test *test, const json_t *value)
{
    for (size_t i = 0; i < test->count; i++) {
        if (test->but[i].operator->holds(&test->but[i], value))
            return false;
    }
    return true;
}

const struct pattern_operator pattern_exact = {NULL, read_exact, exact_holds, false};
const struct pattern_operator pattern_exists = {"exists", read_exists, NULL, false};
static const struct pattern_operator prefix = {"prefix", read_end, prefix_holds, true};
static const struct pattern_operator suffix = {"suffix", read_end, suffix_holds, true};
static const struct pattern_operator same_text = {"equals-ignore-case", read_text, same_text_holds, true};
static const struct pattern_operator wildcard = {"wildcard", read_wildcard, wildcard_holds, true};
static const struct pattern_operator numeric = {"numeric", read_numeric, numeric_holds, false};
static const struct pattern_operator cidr = {"cidr", read_cidr, cidr_holds, true};
static const struct pattern_operator but = {"anything-but", read_but, but_holds, false};

static const struct pattern_operator *const operators[] = {
    &prefix, &suffix, &same_text, &wildcard, &numeric, &pattern_exists, &cidr, &but,
};
enum { OPERATORS = sizeof operators / sizeof *operators };

static const struct pattern_operator *find_operator(const char *name)
{
    for (size_t i = 0; i < OPERATORS; i++) {
        if (strcmp(operators[i]->name, name) == 0)
            return operators[i];
    }
    return NULL;
}

bool pattern_is_operator(const char *name)
{
    return find_operator(name) != NULL;
}

/* What other systems call it. */
static const char *other_word(const char *name)
{
    static const struct {
        const char *words, *operator;
    } others[] = {
        {" gt gte lt lte eq min max range between > >= < <= = == $gt $gte $lt $lte number ", "numeric"},
        {" startsWith starts-with starts_with begins beginsWith $prefix ", "prefix"},
        {" endsWith ends-with ends_with $suffix ", "suffix"},
        {" not ne neq != not-in nin $not $ne $nin except ", "anything-but"},
        {" like glob contains pattern regex regexp match $regex ", "wildcard"},
        {" ip subnet network in-subnet ip-address ", "cidr"},
        {" icase iequals ignore-case equalsIgnoreCase ", "equals-ignore-case"},
        {" present is-set defined missing absent $exists null ", "exists"},
    };
    char word[64];

    snprintf(word, sizeof word, " %s ", name);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strstr(others[i].words, word))
            return others[i].operator;
    }
    return NULL;
}

static int fail_unknown(const struct pattern_reader *reader, const char *name)
{
    const char *names[OPERATORS], *nearest;
    char cut[60];

    for (size_t i = 0; i < OPERATORS; i++)
        names[i] = operators[i]->name;
    text_copy(cut, sizeof cut, name);
    nearest = text_nearest(cut, names, OPERATORS);
    if (!nearest)
        nearest = other_word(cut);
    return pattern_fail(reader, "unknown operator '%s'%s%s%s", text_printable(cut),
                        nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* {"name": operand} */
static int read_operation(struct pattern_reader *reader, const json_t *form, struct pattern_test *test)
{
    void *member = json_object_iter((json_t *)form);
    const size_t length = reader->path.len;

    if (json_object_size(form) != 1)
        return pattern_fail(reader,
                            "an object with one operator is wanted, not with %zu; each is an "
                            "alternative of its own",
                            json_object_size(form));
    test->operator= find_operator(json_object_iter_key(member));
    if (!test->operator)
        return fail_unknown(reader, json_object_iter_key(member));
    test->operand = json_object_iter_value(member);
    pattern_path_add(&reader->path, test->operator->name);
    int status = test->operator->read(reader, test->operand, test);
    buf_cut(&reader->path, length);
    return status;
}

static int count_test(struct pattern_reader *reader)
{
    if (++reader->tests <= PATTERN_TESTS)
        return 0;
    return pattern_fail(reader, "the pattern has more than %d alternatives", PATTERN_TESTS);
}

int pattern_test_read(struct pattern_reader *reader, const json_t *form, struct pattern_test *test)
{
    int status;

    *test = (struct pattern_test){.operator= & pattern_exact, .operand = form};
    if (json_is_array(form))
        status = pattern_fail(reader, "a value or an object with an operator is wanted, not an array");
    else if (count_test(reader))
        status = -1;
    else if (json_is_object(form))
        status = read_operation(reader, form, test);
    else
        status = read_exact(reader, form, test);
    if (status)
        pattern_test_release(test);
    return status;
}

/* One of the things that anything-but excludes. */
static int read_excluded(struct pattern_reader *reader, const struct pattern_operator *operator,
                         const json_t * operand, struct pattern_test *test)
{
    struct pattern_test *one = &test->but[test->count];

    if (count_test(reader))
        return -1;
    if (operator== & pattern_exact &&(json_is_object(operand) || json_is_array(operand)))
        return pattern_fail(reader, "a text, a number, true, false or null is wanted in the array");
    *one = (struct pattern_test){.operator= operator, .operand = operand };
    if (operator->read(reader, operand, one)) {
        pattern_test_release(one);
        return -1;
    }
    test->count++;
    return 0;
}

/* value, [values], {operator: text}, {operator: [texts]} */
static int read_but(struct pattern_reader *reader, const json_t *operand, struct pattern_test *test)
{
    const struct pattern_operator *operator= & pattern_exact;
    void *member = json_object_iter((json_t *)operand);

    if (json_is_object(operand)) {
        operator= json_object_size(operand) == 1 ? find_operator(json_object_iter_key(member)) : NULL;
        if (!operator|| !operator->negatable)
            return pattern_fail(reader, "a value, an array of values or one of prefix, suffix, "
                                        "equals-ignore-case, wildcard and cidr is wanted");
        operand = json_object_iter_value(member);
    }
    const size_t count = json_is_array(operand) ? json_array_size(operand) : 1;
    if (count < 1 || count > PATTERN_ALTERNATIVES)
        return pattern_fail(reader, "an array of 1 to %d values is wanted", PATTERN_ALTERNATIVES);
    test->but = xcalloc(count, sizeof *test->but);
    for (size_t i = 0; i < count; i++) {
        if (read_excluded(reader, operator, json_is_array(operand) ? json_array_get(operand, i) : operand,
                          test))
            return -1;
    }
    return 0;
}

void pattern_test_release(struct pattern_test *test)
{
    for (size_t i = 0; test->but && i < test->count; i++)
        pattern_test_release(&test->but[i]);
    free(test->but);
    free(test->pieces);
    free(test->piece_sizes);
    *test = (struct pattern_test){0};
}
