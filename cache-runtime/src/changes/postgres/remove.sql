DO $remove$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT t.tgname, t.tgrelid::regclass AS name FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE p.pronamespace = to_regnamespace({literal}) AND p.proname LIKE 'changed\_%'
            AND NOT t.tgisinternal AND t.tgparentid = 0
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', found.tgname, found.name);
    END LOOP;
    FOR found IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p
        WHERE p.pronamespace = to_regnamespace({literal})
            AND (p.proname LIKE 'changed\_%' OR p.proname IN ('keep_up', 'touch', 'tree', 'wanted'))
    LOOP
        EXECUTE format('DROP FUNCTION %s', found.name);
    END LOOP;
END
$remove$;
DROP TABLE IF EXISTS {schema}.outbox, {schema}.sources, {schema}.members;
