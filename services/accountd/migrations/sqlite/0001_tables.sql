-- The tables, with the names, columns and limits that they have in MySQL.
CREATE TABLE user (
	accountID INTEGER CHECK (accountID BETWEEN -2147483648 AND 2147483647),
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	name TEXT NOT NULL CHECK (length(name) <= 255),
	email TEXT CHECK (length(email) <= 255),
	role INTEGER CHECK (role BETWEEN -2147483648 AND 2147483647),
	password TEXT CHECK (length(password) <= 255),
	emailKey BLOB UNIQUE
) STRICT;

CREATE INDEX userAccountID ON user (accountID);

CREATE TABLE account (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	accountHolderName TEXT NOT NULL,
	nickName TEXT,
	serviceAddress TEXT NOT NULL,
	billingAddress TEXT NOT NULL,
	email TEXT NOT NULL UNIQUE,
	phone TEXT NOT NULL
) STRICT;

-- What all who share the database must agree on, such as the key of page tokens.
CREATE TABLE setting (
	name TEXT PRIMARY KEY,
	value BLOB NOT NULL
) STRICT;
