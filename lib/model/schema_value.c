/*
 * schema_value - numbers and values compared exactly
 *
 * A double is taken for the shortest decimal text that reads back as it, which is what stood in the document:
 * by that, 0.3 is three times 0.1. The one hard rule: equal values have equal hashes, 1 and 1.0 too.
 */
#include <ctype.h>
#include <math.h>
#include "schema_parts.h"

__extension__ typedef unsigned __int128 wide;

static const double int64_end = 9223372036854775808.0; /* 2^63, the first that int64_t does not have */

/* digits * 10^exponent, without the sign */
struct decimal {
    uint64_t digits;
    int exponent;
};

static int compare_reals(double a, double b)
{
    return (a > b) - (a < b);
}

static int compare_mixed(int64_t a, double b)
{
    if (b >= int64_end)
        return -1;
    if (b < -int64_end)
        return 1;
    int64_t whole = (int64_t)b;
    if (a != whole)
        return a < whole ? -1 : 1;
    return compare_reals((double)whole, b);
}

int schema_number_compare(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        int64_t left = json_integer_value(a), right = json_integer_value(b);
        return (left > right) - (left < right);
    }
    if (json_is_integer(a))
        return compare_mixed(json_integer_value(a), json_real_value(b));
    if (json_is_integer(b))
        return -compare_mixed(json_integer_value(b), json_real_value(a));
    return compare_reals(json_real_value(a), json_real_value(b));
}

bool schema_number_is_whole(const json_t *number)
{
    return json_is_integer(number) || floor(json_real_value(number)) == json_real_value(number);
}

/* "1.2345e-07" of the fewest digits that read back as the same double. */
static struct decimal decimal_of(const json_t *number)
{
    struct decimal result = {0};
    if (json_is_integer(number)) {
        int64_t value = json_integer_value(number);
        result.digits = value < 0 ? -(uint64_t)value : (uint64_t)value;
        return result;
    }
    double value = fabs(json_real_value(number));
    char text[40];
    int behind = 14;
    do
        snprintf(text, sizeof text, "%.*e", behind, value);
    while (++behind <= 16 && strtod(text, NULL) != value);
    const char *c = text;
    for (; *c && *c != 'e'; c++)
        if (isdigit((unsigned char)*c))
            result.digits = result.digits * 10 + (uint64_t)(*c - '0');
    result.exponent = (*c ? (int)strtol(c + 1, NULL, 10) : 0) - (behind - 1);
    return result;
}

static uint64_t power_of_ten(int exponent, uint64_t modulus)
{
    wide result = 1, base = 10 % modulus;
    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1)
            result = result * base % modulus;
        base = base * base % modulus;
    }
    return (uint64_t)(result % modulus);
}

bool schema_number_is_multiple(const json_t *number, const json_t *of)
{
    struct decimal a = decimal_of(number), b = decimal_of(of);
    int shift = a.exponent - b.exponent;
    if (a.digits == 0 || b.digits == 0)
        return a.digits == 0;
    if (shift >= 0)
        return (wide)(a.digits % b.digits) * power_of_ten(shift, b.digits) % b.digits == 0;
    wide divisor = b.digits;
    for (; shift < 0 && divisor <= a.digits; shift++)
        divisor *= 10;
    return a.digits % divisor == 0; /* one that has outgrown the digits leaves them whole */
}

static bool objects_equal(const json_t *a, const json_t *b)
{
    const char *name;
    json_t *item;
    if (json_object_size(a) != json_object_size(b))
        return false;
    json_object_foreach ((json_t *)a, name, item) {
        const json_t *other = json_object_get(b, name);
        if (!other || !schema_value_equals(item, other))
            return false;
    }
    return true;
}

static bool arrays_equal(const json_t *a, const json_t *b)
{
    if (json_array_size(a) != json_array_size(b))
        return false;
    for (size_t i = 0; i < json_array_size(a); i++)
        if (!schema_value_equals(json_array_get(a, i), json_array_get(b, i)))
            return false;
    return true;
}

bool schema_value_equals(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return schema_number_compare(a, b) == 0;
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_object(a))
        return objects_equal(a, b);
    if (json_is_array(a))
        return arrays_equal(a, b);
    if (json_is_string(a))
        return json_string_length(a) == json_string_length(b) &&
               memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0;
    return true;
}

/* The finalizer of MurmurHash3: a sum of these does not tell which part came from where, which a sum of
 * linear hashes would. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

/*
 * A polynomial in a random point over the field of 2^61 - 1: two texts that were chosen before the seed was
 * drawn meet as rarely as chance makes them.
 */
static uint64_t hash_bytes(const char *bytes, size_t size, uint64_t seed)
{
    const uint64_t prime = (UINT64_C(1) << 61) - 1;
    uint64_t base = seed % (prime - 2) + 2, hash = 1;
    for (size_t i = 0; i < size; i++) {
        wide product = (wide)(hash + (unsigned char)bytes[i] + 1) * base;
        hash = (uint64_t)(product & prime) + (uint64_t)(product >> 61);
        hash = (hash & prime) + (hash >> 61);
    }
    return mix((hash % prime) ^ size ^ seed);
}

static uint64_t hash_number(const json_t *value, uint64_t seed)
{
    double real = json_real_value(value);
    uint64_t bits;
    if (json_is_integer(value))
        bits = (uint64_t)json_integer_value(value);
    else if (real >= -int64_end && real < int64_end && floor(real) == real)
        bits = (uint64_t)(int64_t)real;
    else
        memcpy(&bits, &real, sizeof bits);
    return mix(mix(bits ^ seed) + 1);
}

uint64_t schema_value_hash(const json_t *value, uint64_t seed)
{
    uint64_t hash = mix((uint64_t)json_typeof(value) + 1);
    const char *name;
    json_t *item;
    if (json_is_number(value))
        return hash_number(value, seed);
    if (json_is_string(value))
        return hash_bytes(json_string_value(value), json_string_length(value), seed);
    if (json_is_array(value))
        for (size_t i = 0; i < json_array_size(value); i++)
            hash = mix(hash * 3 + schema_value_hash(json_array_get(value, i), seed));
    if (json_is_object(value))
        json_object_foreach ((json_t *)value, name, item)
            hash += mix(hash_bytes(name, strlen(name), seed) * 3 + schema_value_hash(item, seed));
    return hash;
}

uint64_t schema_value_size(const json_t *value)
{
    uint64_t size = 1;
    const char *name;
    json_t *item;
    if (json_is_string(value))
        return 1 + json_string_length(value) / 64;
    if (json_is_array(value))
        for (size_t i = 0; i < json_array_size(value); i++)
            size += schema_value_size(json_array_get(value, i));
    if (json_is_object(value))
        json_object_foreach ((json_t *)value, name, item)
            size += schema_value_size(item) + strlen(name) / 64;
    return size;
}

static int by_hash(const void *a, const void *b)
{
    const struct schema_hash *left = a, *right = b;
    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    return left->index < right->index ? -1 : left->index > right->index;
}

void schema_hashes_sort(struct schema_hash *hashes, size_t count)
{
    if (count > 1)
        qsort(hashes, count, sizeof *hashes, by_hash);
}
