-- Whoever has no role, or one that is not known, gets the least: restricted.
UPDATE user SET role = 2 WHERE role IS NULL OR role NOT IN (0, 1, 2);
