#include <assert.h>

#include "services/accountd/store_adopt.h"
#include "services/accountd/user_store.h"

extern const unsigned char migration_mysql_0001_original_tables[];
extern const unsigned char migration_mysql_0002_setting[];
extern const unsigned char migration_mysql_0003_email_key[];
extern const unsigned char migration_mysql_0005_unicode[];
extern const unsigned char migration_mysql_0007_roles[];
extern const unsigned char migration_mysql_0009_account_index[];
extern const unsigned char migration_sqlite_0001_tables[];

/* Up to "unique e-mails" nothing is changed that the original would miss. */
static const struct sql_migration store_mysql_migrations[] = {
    {1, 1, "original tables", migration_mysql_0001_original_tables, NULL},
    {2, 2, "setting", migration_mysql_0002_setting, NULL},
    {3, 3, "e-mail key", migration_mysql_0003_email_key, NULL},
    {4, 4, "unique e-mails", NULL, store_adopt_emails},
    {5, 5, "unicode", migration_mysql_0005_unicode, NULL},
    {6, 6, "drop the old key of e-mails", NULL, store_adopt_key},
    {7, 7, "roles", migration_mysql_0007_roles, NULL},
    {8, 8, "hashed passwords", NULL, store_adopt_passwords},
    {9, 8, "index of accounts", migration_mysql_0009_account_index, NULL},
};

static const struct sql_migration store_sqlite_migrations[] = {
    {1, 1, "tables", migration_sqlite_0001_tables, NULL},
};

const struct sql_schema store_schema = {
    .program = "accountd",
    .rows = {[SQL_MYSQL] = store_mysql_migrations, [SQL_SQLITE] = store_sqlite_migrations},
    .counts = {[SQL_MYSQL] = sizeof(store_mysql_migrations) / sizeof(store_mysql_migrations[0]),
	[SQL_SQLITE] = sizeof(store_sqlite_migrations) / sizeof(store_sqlite_migrations[0])},
};

static const char *const store_reads[] = {
    "SELECT id, accountID, name, email, role, password, emailKey FROM user WHERE id = 0",
};

static const char *const store_writes[] = {
    "INSERT INTO user (accountID, name, email, emailKey, role, password)"
    " SELECT accountID, name, email, emailKey, role, password FROM user WHERE FALSE",
    "UPDATE user SET accountID = 0, name = '', email = '', emailKey = '', role = 0,"
    " password = '' WHERE FALSE",
    "DELETE FROM user WHERE FALSE",
};

const struct sql_checks store_checks = {
    .reads = store_reads,
    .read_count = sizeof(store_reads) / sizeof(store_reads[0]),
    .writes = store_writes,
    .write_count = sizeof(store_writes) / sizeof(store_writes[0]),
};

void
store_reserve(struct sql_db *store)
{
	unsigned first = sql_slots(store, USER_STORE_SLOTS);

	assert(first == 0);
	(void)first;
}

enum status_code
store_open(struct sql_db **store, const struct sql_options *options, struct error *error)
{
	enum status_code code = sql_open(store, options, error);

	if (code == STATUS_OK) {
		store_reserve(*store);
	}
	return code;
}

enum status_code
store_migrate(struct sql_db *store, void (*tell)(const char *line),
    bool (*hash)(const char *password, char *out, void *closure), void *closure,
    struct error *error)
{
	struct store_adoption adoption = {.tell = tell,
	    .hash = hash,
	    .closure = closure,
	    .slots = sql_slots(store, STORE_ADOPT_SLOTS)};

	return sql_migrate(store, &store_schema, tell, &adoption, error);
}
