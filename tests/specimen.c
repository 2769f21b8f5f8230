#include "tests/specimen.h"

#include <string.h>

#include "common/base/arena.h"
#include "common/sql/sql.h"

/* Two columns hold its words: `rank` and `natural` are words of SQL, on purpose. */
const char *const specimen_tables[] = {
    [SQL_MYSQL] =
	"CREATE TABLE specimen (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,"
	" name VARCHAR(255) NOT NULL, nameKey VARBINARY(1024), kind VARCHAR(64) NOT NULL,"
	" small INT NOT NULL, large BIGINT NOT NULL, `natural` INT UNSIGNED NOT NULL,"
	" flag BOOLEAN NOT NULL, state INT, weight DOUBLE NOT NULL, picture BLOB NOT NULL,"
	" price DECIMAL(12,2) NOT NULL, foundAt DATETIME(6), note VARCHAR(255), `rank` INT,"
	" hash VARCHAR(255) NOT NULL, origin VARCHAR(16) NOT NULL DEFAULT 'here',"
	" revision BIGINT NOT NULL DEFAULT 1,"
	" UNIQUE KEY specimenName (nameKey), UNIQUE KEY specimenKind (kind, small))"
	" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;\n",
    [SQL_SQLITE] =
	"CREATE TABLE specimen (id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" name TEXT NOT NULL, nameKey BLOB UNIQUE, kind TEXT NOT NULL,"
	" small INTEGER NOT NULL, large INTEGER NOT NULL, `natural` INTEGER NOT NULL,"
	" flag INTEGER NOT NULL, state INTEGER, weight REAL NOT NULL, picture BLOB NOT NULL,"
	" price INTEGER NOT NULL, foundAt TEXT, note TEXT, `rank` INTEGER,"
	" hash TEXT NOT NULL, origin TEXT NOT NULL DEFAULT 'here',"
	" revision INTEGER NOT NULL DEFAULT 1, UNIQUE (kind, small))"
	" STRICT;\n"};

static char *
specimen_key(const char *text, struct arena *arena)
{
	char *key = arena_strdup(arena, text);

	for (char *at = key; at != NULL && *at != '\0'; at++) {
		*at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
	}
	return key;
}

static void
specimen_check(const ProtobufCMessage *row, enum resource_verb verb, const char *prefix,
    struct arena *arena, struct error *error)
{
	const Specimen__V1__Specimen *specimen = (const void *)row;

	(void)verb;
	if (specimen->flag && *specimen->note != '\0') {
		error_violation(error, arena, *prefix == '\0' ? "flag" : "specimen.flag",
		    "is not for one with a note");
	}
	if (*specimen->name == '\0') {
		error_violation(
		    error, arena, *prefix == '\0' ? "name" : "specimen.name", "must be given");
	}
}

static const struct resource_column specimen_columns[] = {
    {.column = "id", .field = "id", .flags = RESOURCE_KEY},
    {.column = "name", .field = "name", .most = 20},
    {.column = "nameKey", .field = "name", .derive = specimen_key},
    {.column = "kind", .field = "kind", .flags = RESOURCE_FIXED},
    {.column = "small", .field = "small"},
    {.column = "large", .field = "large"},
    {.column = "natural", .field = "natural"},
    {.column = "flag", .field = "flag"},
    {.column = "state", .field = "state", .number_for_null = SPECIMEN__V1__STATE__STATE_DRY},
    {.column = "weight", .field = "weight"},
    {.column = "picture", .field = "picture", .most = 8},
    {.column = "price",
	.field = "price",
	.form = RESOURCE_DECIMAL,
	.scale = 2,
	.least = -99999999,
	.most = INT64_MAX},
    {.column = "foundAt", .field = "found_at", .form = RESOURCE_TIME, .flags = RESOURCE_NULLABLE},
    {.column = "note", .field = "note", .flags = RESOURCE_NULLABLE},
    {.column = "rank",
	.field = "rank",
	.flags = RESOURCE_NULLABLE,
	.least = -10,
	.most = INT64_MAX,
	.name = "Rank"},
    {.column = "hash", .without_secret = "none"},
    {.column = "origin", .field = "origin", .flags = RESOURCE_READ_ONLY},
    {.column = "revision", .field = "revision", .flags = RESOURCE_REVISION},
};

static const struct resource_unique specimen_uniques[] = {
    {"specimenName", {"nameKey"}, "DUPLICATE_NAME", "another specimen has this name"},
    {"specimenKind", {"kind", "small"}, "DUPLICATE_KIND", "another specimen is of this kind"},
};

static const struct resource_filter specimen_filters[] = {
    {"name", "nameKey", RESOURCE_EQUAL, "name", 0, 0, NULL},
    {"note", "note", RESOURCE_EQUAL, "note", 0, 0, NULL},
    {"small_min", "small", RESOURCE_AT_LEAST, "small_min", 1, 1000, "must be 1 to 1000"},
    {"price_max", "price", RESOURCE_AT_MOST, "price_max", 0, 0, NULL},
    {"found_after", "foundAt", RESOURCE_AT_LEAST, "found_after", 0, 0, NULL},
    {"kind_prefix", "kind", RESOURCE_PREFIX, "kind_prefix", 0, 0, NULL},
    {"state", "state", RESOURCE_EQUAL, "state", 0, 1, "must be 0 (live) or 1 (dry)"},
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

const struct resource specimen_resource = {
    .name = "specimen",
    .items = "specimens",
    .table = "specimen",
    .message = &specimen__v1__specimen__descriptor,
    .columns = specimen_columns,
    .column_count = ROWS(specimen_columns),
    .uniques = specimen_uniques,
    .unique_count = ROWS(specimen_uniques),
    .filters = specimen_filters,
    .filter_count = ROWS(specimen_filters),
    .secret_field = "secret",
    .check = specimen_check,
};

Specimen__V1__Specimen
specimen_named(const char *name, const char *kind)
{
	Specimen__V1__Specimen specimen = SPECIMEN__V1__SPECIMEN__INIT;

	specimen.name = (char *)(uintptr_t)name;
	specimen.kind = (char *)(uintptr_t)kind;
	specimen.price = (char *)(uintptr_t) "1";
	return specimen;
}
