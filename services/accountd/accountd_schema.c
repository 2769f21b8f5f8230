#include "services/accountd/accountd_schema.h"

#include "services/accountd/accountd_adopt.h"

extern const unsigned char migration_mysql_0001_original_tables[];
extern const unsigned char migration_mysql_0002_setting[];
extern const unsigned char migration_mysql_0003_email_key[];
extern const unsigned char migration_mysql_0005_unicode[];
extern const unsigned char migration_mysql_0007_roles[];
extern const unsigned char migration_mysql_0009_account_index[];
extern const unsigned char migration_sqlite_0001_tables[];

/* Up to "unique e-mails" nothing is changed that the original would miss. */
static const struct sql_migration accountd_mysql_migrations[] = {
    {1, 1, "original tables", migration_mysql_0001_original_tables, NULL},
    {2, 2, "setting", migration_mysql_0002_setting, NULL},
    {3, 3, "e-mail key", migration_mysql_0003_email_key, NULL},
    {4, 4, "unique e-mails", NULL, accountd_adopt_emails},
    {5, 5, "unicode", migration_mysql_0005_unicode, NULL},
    {6, 6, "drop the old key of e-mails", NULL, accountd_adopt_key},
    {7, 7, "roles", migration_mysql_0007_roles, NULL},
    {8, 8, "hashed passwords", NULL, accountd_adopt_passwords},
    {9, 8, "index of accounts", migration_mysql_0009_account_index, NULL},
};

static const struct sql_migration accountd_sqlite_migrations[] = {
    {1, 1, "tables", migration_sqlite_0001_tables, NULL},
};

const struct sql_schema accountd_schema = {
    .program = "accountd",
    .rows = {[SQL_MYSQL] = accountd_mysql_migrations, [SQL_SQLITE] = accountd_sqlite_migrations},
    .counts = {[SQL_MYSQL] =
		   sizeof(accountd_mysql_migrations) / sizeof(accountd_mysql_migrations[0]),
	[SQL_SQLITE] = sizeof(accountd_sqlite_migrations) / sizeof(accountd_sqlite_migrations[0])},
};
