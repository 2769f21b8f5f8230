-- What all who share the database must agree on, such as the key of page tokens.
CREATE TABLE IF NOT EXISTS setting (
	name VARCHAR(64) NOT NULL,
	value VARBINARY(1024) NOT NULL,
	PRIMARY KEY (name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
