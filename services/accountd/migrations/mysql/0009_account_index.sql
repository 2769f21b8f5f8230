-- For the users of one account, in order of id.
ALTER TABLE user ADD INDEX userAccountID (accountID);
