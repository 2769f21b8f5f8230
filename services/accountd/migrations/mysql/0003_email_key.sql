-- Room for what makes two addresses the same. The long index to come needs the format.
ALTER TABLE user
	ADD COLUMN emailKey VARBINARY(3072) NULL,
	ENGINE = InnoDB,
	ROW_FORMAT = DYNAMIC;
