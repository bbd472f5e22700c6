/*
 * schema_dialect - the meta-schemas of both drafts, and which keywords a "$schema" turns on
 *
 * The meta-schemas are those that json-schema.org publishes, without titles, comments and defaults, which
 * decide nothing. Their texts are written with ' for ", which stands in none of them.
 */
#include "schema_parts.h"
#include "text.h"
#include "xalloc.h"

static const struct {
    const char *uri, *text;
} metas[] = {
    {"http://json-schema.org/draft-07/schema",
     "{'$schema':'http://json-schema.org/draft-07/schema#',"
     "'$id':'http://json-schema.org/draft-07/schema#','definitions':{'schemaArray':{'type':'array',"
     "'minItems':1,'items':{'$ref':'#'}},'nonNegativeInteger':{'type':'integer','minimum':0},"
     "'nonNegativeIntegerDefault0':{'allOf':[{'$ref':'#/definitions/nonNegativeInteger'},{}]},"
     "'simpleTypes':{'enum':['array','boolean','integer','null','number','object','string']},"
     "'stringArray':{'type':'array','items':{'type':'string'},'uniqueItems':true}},'type':['object',"
     "'boolean'],'properties':{'$id':{'type':'string'},'$schema':{'type':'string'},"
     "'$ref':{'type':'string'},'$comment':{'type':'string'},'title':{'type':'string'},"
     "'description':{'type':'string'},'default':true,'readOnly':{'type':'boolean'},"
     "'examples':{'type':'array','items':true},'multipleOf':{'type':'number','exclusiveMinimum':0},"
     "'maximum':{'type':'number'},'exclusiveMaximum':{'type':'number'},'minimum':{'type':'number'},"
     "'exclusiveMinimum':{'type':'number'},'maxLength':{'$ref':'#/definitions/nonNegativeInteger'},"
     "'minLength':{'$ref':'#/definitions/nonNegativeIntegerDefault0'},'pattern':{'type':'string'},"
     "'additionalItems':{'$ref':'#'},'items':{'anyOf':[{'$ref':'#'},"
     "{'$ref':'#/definitions/schemaArray'}]},'maxItems':{'$ref':'#/definitions/nonNegativeInteger'},"
     "'minItems':{'$ref':'#/definitions/nonNegativeIntegerDefault0'},'uniqueItems':{'type':'boolean'},"
     "'contains':{'$ref':'#'},'maxProperties':{'$ref':'#/definitions/nonNegativeInteger'},"
     "'minProperties':{'$ref':'#/definitions/nonNegativeIntegerDefault0'},"
     "'required':{'$ref':'#/definitions/stringArray'},'additionalProperties':{'$ref':'#'},"
     "'definitions':{'type':'object','additionalProperties':{'$ref':'#'}},'properties':{'type':'object',"
     "'additionalProperties':{'$ref':'#'}},'patternProperties':{'type':'object',"
     "'additionalProperties':{'$ref':'#'},'propertyNames':{}},'dependencies':{'type':'object',"
     "'additionalProperties':{'anyOf':[{'$ref':'#'},{'$ref':'#/definitions/stringArray'}]}},"
     "'propertyNames':{'$ref':'#'},'const':true,'enum':{'type':'array','items':true},"
     "'type':{'anyOf':[{'$ref':'#/definitions/simpleTypes'},{'type':'array',"
     "'items':{'$ref':'#/definitions/simpleTypes'},'minItems':1,'uniqueItems':true}]},"
     "'format':{'type':'string'},'contentMediaType':{'type':'string'},'contentEncoding':{'type':'string'},"
     "'if':{'$ref':'#'},'then':{'$ref':'#'},'else':{'$ref':'#'},"
     "'allOf':{'$ref':'#/definitions/schemaArray'},'anyOf':{'$ref':'#/definitions/schemaArray'},"
     "'oneOf':{'$ref':'#/definitions/schemaArray'},'not':{'$ref':'#'}}}"},
    {"https://json-schema.org/draft/2020-12/schema",
     "{'$schema':'https://json-schema.org/draft/2020-12/schema',"
     "'$id':'https://json-schema.org/draft/2020-12/schema',"
     "'$vocabulary':{'https://json-schema.org/draft/2020-12/vocab/core':true,"
     "'https://json-schema.org/draft/2020-12/vocab/applicator':true,"
     "'https://json-schema.org/draft/2020-12/vocab/unevaluated':true,"
     "'https://json-schema.org/draft/2020-12/vocab/validation':true,"
     "'https://json-schema.org/draft/2020-12/vocab/meta-data':true,"
     "'https://json-schema.org/draft/2020-12/vocab/format-annotation':true,"
     "'https://json-schema.org/draft/2020-12/vocab/content':true},'$dynamicAnchor':'meta',"
     "'allOf':[{'$ref':'meta/core'},{'$ref':'meta/applicator'},{'$ref':'meta/unevaluated'},"
     "{'$ref':'meta/validation'},{'$ref':'meta/meta-data'},{'$ref':'meta/format-annotation'},"
     "{'$ref':'meta/content'}],'type':['object','boolean'],'properties':{'definitions':{'type':'object',"
     "'additionalProperties':{'$dynamicRef':'#meta'}},'dependencies':{'type':'object',"
     "'additionalProperties':{'anyOf':[{'$dynamicRef':'#meta'},"
     "{'$ref':'meta/validation#/$defs/stringArray'}]}},"
     "'$recursiveAnchor':{'$ref':'meta/core#/$defs/anchorString'},"
     "'$recursiveRef':{'$ref':'meta/core#/$defs/uriReferenceString'}}}"},
    {"https://json-schema.org/draft/2020-12/meta/content",
     "{'$schema':'https://json-schema.org/draft/2020-12/schema',"
     "'$id':'https://json-schema.org/draft/2020-12/meta/content',"
     "'$vocabulary':{'https://json-schema.org/draft/2020-12/vocab/content':true},'$dynamicAnchor':'meta',"
     "'type':['object','boolean'],'properties':{'contentEncoding':{'type':'string'},"
     "'contentMediaType':{'type':'string'},'contentSchema':{'$dynamicRef':'#meta'}}}"},
    {"https://json-schema.org/draft/2020-12/meta/unevaluated",
     "{'$schema':'https://json-schema.org/draft/2020-12/schema',"
     "'$id':'https://json-schema.org/draft/2020-12/meta/unevaluated',"
     "'$vocabulary':{'https://json-schema.org/draft/2020-12/vocab/unevaluated':true},"
     "'$dynamicAnchor':'meta','type':['object','boolean'],"
     "'properties':{'unevaluatedItems':{'$dynamicRef':'#meta'},"
     "'unevaluatedProperties':{'$dynamicRef':'#meta'}}}"},
    {"https://json-schema.org/draft/2020-12/meta/format-annotation",
     "{'$schema':'https://json-schema.org/draft/2020-12/schema',"
     "'$id':'https://json-schema.org/draft/2020-12/meta/format-annotation',"
     "'$vocabulary':{'https://json-schema.org/draft/2020-12/vocab/format-annotation':true},"
     "'$dynamicAnchor':'meta','type':['object','boolean'],'properties':{'format':{'type':'string'}}}"},
    {"https://json-schema.org/draft/2020-12/meta/applicator",
     "{'$schema':'https://json-schema.org/draft/2020-12/schema',"
     "'$id':'https://json-schema.org/draft/2020-12/meta/applicator',"
     "'$vocabulary':{'https://json-schema.org/draft/2020-12/vocab/applicator':true},"
     "'$dynamicAnchor':'meta','type':['object','boolean'],"
     "'properties':{'prefixItems':{'$ref':'#/$defs/schemaArray'},'items':{'$dynamicRef':'#meta'},"
     "'contains':{'$dynamicRef':'#meta'},'additionalProperties':{'$dynamicRef':'#meta'},"
     "'properties':{'type':'object','additionalProperties':{'$dynamicRef':'#meta'}},"
     "'patternProperties':{'type':'object','additionalProperties':{'$dynamicRef':'#meta'},"
     "'propertyNames':{}},'dependentSchemas':{'type':'object',"
     "'additionalProperties':{'$dynamicRef':'#meta'}},'propertyNames':{'$dynamicRef':'#meta'},"
     "'if':{'$dynamicRef':'#meta'},'then':{'$dynamicRef':'#meta'},'else':{'$dynamicRef':'#meta'},"
     "'allOf':{'$ref':'#/$defs/schemaArray'},'anyOf':{'$ref':'#/$defs/schemaArray'},"
     "'oneOf':{'$ref':'#/$defs/schemaArray'},'not':{'$dynamicRef':'#meta'}},"
     "'$defs':{'schemaArray':{'type':'array','minItems':1,'items':{'$dynamicRef':'#meta'}}}}"},
    {"https://json-schema.org/draft/2020-12/meta/meta-data",
     "{'$schema':'https://json-schema.org/draft/2020-12/schema',"
     "'$id':'https://json-schema.org/draft/2020-12/meta/meta-data',"
     "'$vocabulary':{'https://json-schema.org/draft/2020-12/vocab/meta-data':true},"
     "'$dynamicAnchor':'meta','type':['object','boolean'],'properties':{'title':{'type':'string'},"
     "'description':{'type':'string'},'default':true,'deprecated':{'type':'boolean'},"
     "'readOnly':{'type':'boolean'},'writeOnly':{'type':'boolean'},'examples':{'type':'array',"
     "'items':true}}}"},
    {"https://json-schema.org/draft/2020-12/meta/core",
     "{'$schema':'https://json-schema.org/draft/2020-12/schema',"
     "'$id':'https://json-schema.org/draft/2020-12/meta/core',"
     "'$vocabulary':{'https://json-schema.org/draft/2020-12/vocab/core':true},'$dynamicAnchor':'meta',"
     "'type':['object','boolean'],'properties':{'$id':{'$ref':'#/$defs/uriReferenceString',"
     "'pattern':'^[^#]*#?$'},'$schema':{'$ref':'#/$defs/uriString'},"
     "'$ref':{'$ref':'#/$defs/uriReferenceString'},'$anchor':{'$ref':'#/$defs/anchorString'},"
     "'$dynamicRef':{'$ref':'#/$defs/uriReferenceString'},"
     "'$dynamicAnchor':{'$ref':'#/$defs/anchorString'},'$vocabulary':{'type':'object',"
     "'propertyNames':{'$ref':'#/$defs/uriString'},'additionalProperties':{'type':'boolean'}},"
     "'$comment':{'type':'string'},'$defs':{'type':'object',"
     "'additionalProperties':{'$dynamicRef':'#meta'}}},'$defs':{'anchorString':{'type':'string',"
     "'pattern':'^[A-Za-z_][-A-Za-z0-9._]*$'},'uriString':{'type':'string'},"
     "'uriReferenceString':{'type':'string'}}}"},
    {"https://json-schema.org/draft/2020-12/meta/validation",
     "{'$schema':'https://json-schema.org/draft/2020-12/schema',"
     "'$id':'https://json-schema.org/draft/2020-12/meta/validation',"
     "'$vocabulary':{'https://json-schema.org/draft/2020-12/vocab/validation':true},"
     "'$dynamicAnchor':'meta','type':['object','boolean'],"
     "'properties':{'type':{'anyOf':[{'$ref':'#/$defs/simpleTypes'},{'type':'array',"
     "'items':{'$ref':'#/$defs/simpleTypes'},'minItems':1,'uniqueItems':true}]},'const':true,"
     "'enum':{'type':'array','items':true},'multipleOf':{'type':'number','exclusiveMinimum':0},"
     "'maximum':{'type':'number'},'exclusiveMaximum':{'type':'number'},'minimum':{'type':'number'},"
     "'exclusiveMinimum':{'type':'number'},'maxLength':{'$ref':'#/$defs/nonNegativeInteger'},"
     "'minLength':{'$ref':'#/$defs/nonNegativeIntegerDefault0'},'pattern':{'type':'string'},"
     "'maxItems':{'$ref':'#/$defs/nonNegativeInteger'},"
     "'minItems':{'$ref':'#/$defs/nonNegativeIntegerDefault0'},'uniqueItems':{'type':'boolean'},"
     "'maxContains':{'$ref':'#/$defs/nonNegativeInteger'},"
     "'minContains':{'$ref':'#/$defs/nonNegativeInteger'},"
     "'maxProperties':{'$ref':'#/$defs/nonNegativeInteger'},"
     "'minProperties':{'$ref':'#/$defs/nonNegativeIntegerDefault0'},"
     "'required':{'$ref':'#/$defs/stringArray'},'dependentRequired':{'type':'object',"
     "'additionalProperties':{'$ref':'#/$defs/stringArray'}}},"
     "'$defs':{'nonNegativeInteger':{'type':'integer','minimum':0},"
     "'nonNegativeIntegerDefault0':{'$ref':'#/$defs/nonNegativeInteger'},'simpleTypes':{'enum':['array',"
     "'boolean','integer','null','number','object','string']},'stringArray':{'type':'array',"
     "'items':{'type':'string'},'uniqueItems':true}}}"},
};

/* Drafts by the URIs of their meta-schemas; those with a 0 are known and not supported. */
static const struct {
    const char *uri;
    unsigned draft;
} drafts[] = {
    {"https://json-schema.org/draft/2020-12/schema", DRAFT_2020_12},
    {"http://json-schema.org/draft-07/schema", DRAFT_07},
    {"https://json-schema.org/draft/2019-09/schema", 0},
    {"http://json-schema.org/draft-06/schema", 0},
    {"http://json-schema.org/draft-04/schema", 0},
    {"http://json-schema.org/draft-03/schema", 0},
    {"http://json-schema.org/schema", 0},
};

#define VOCABULARY_PREFIX "https://json-schema.org/draft/2020-12/vocab/"

/* Those with a 0 hold annotations alone. */
static const struct {
    const char *name;
    unsigned vocabulary;
} vocabularies[] = {
    {"core", VOCABULARY_CORE},
    {"applicator", VOCABULARY_APPLICATOR},
    {"unevaluated", VOCABULARY_UNEVALUATED},
    {"validation", VOCABULARY_VALIDATION},
    {"meta-data", 0},
    {"format-annotation", 0},
    {"content", 0},
};

/* An empty fragment at the end says nothing. */
static bool same_uri(const char *uri, const char *known)
{
    size_t size = strlen(known);
    return strncmp(uri, known, size) == 0 && (uri[size] == '\0' || strcmp(uri + size, "#") == 0);
}

enum schema_known schema_dialect_by_uri(const char *uri, struct schema_dialect *dialect)
{
    for (size_t i = 0; i < sizeof drafts / sizeof *drafts; i++) {
        if (!same_uri(uri, drafts[i].uri))
            continue;
        if (drafts[i].draft)
            *dialect = (struct schema_dialect){drafts[i].draft, VOCABULARY_ALL};
        return drafts[i].draft ? SCHEMA_KNOWN : SCHEMA_UNSUPPORTED;
    }
    return SCHEMA_UNKNOWN;
}

static bool add_vocabulary(const char *uri, struct schema_dialect *dialect)
{
    if (!text_starts_with(uri, VOCABULARY_PREFIX))
        return false;
    for (size_t i = 0; i < sizeof vocabularies / sizeof *vocabularies; i++)
        if (strcmp(uri + strlen(VOCABULARY_PREFIX), vocabularies[i].name) == 0) {
            dialect->vocabularies |= vocabularies[i].vocabulary;
            return true;
        }
    return false;
}

const char *schema_dialect_read(const json_t *meta, struct schema_dialect *dialect)
{
    const json_t *listed = json_object_get(meta, "$vocabulary");
    const char *uri;
    json_t *required;
    if (!json_is_object(listed))
        return NULL;
    *dialect = (struct schema_dialect){DRAFT_2020_12, VOCABULARY_CORE};
    json_object_foreach ((json_t *)listed, uri, required)
        if (!add_vocabulary(uri, dialect) && json_is_true(required))
            return uri;
    return NULL;
}

json_t *schema_meta_load(const char *uri)
{
    for (size_t i = 0; i < sizeof metas / sizeof *metas; i++) {
        if (strcmp(uri, metas[i].uri) != 0)
            continue;
        char *text = xstrdup(metas[i].text);
        for (char *c = strchr(text, '\''); c; c = strchr(c, '\''))
            *c = '"';
        json_t *json = json_loads(text, 0, NULL);
        free(text);
        return json;
    }
    return NULL;
}
